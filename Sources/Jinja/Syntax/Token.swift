// What the lexer hands to the parser: template text, tag boundaries, and the tokens inside tags.

struct Token: Sendable {
  enum Kind: Sendable, Equatable {
    case text(String)
    case variableBegin, variableEnd, blockBegin, blockEnd
    case name(String)
    case string(String)
    case integer(Int)
    case float(Double)
    case symbol(Symbol)
    case end
  }

  let kind: Kind
  let line: Int

  /// The token as error messages show it.
  var summary: String {
    switch kind {
    case .text: "template text"
    case .variableBegin: "'{{'"
    case .variableEnd: "'}}'"
    case .blockBegin: "'{%'"
    case .blockEnd: "'%}'"
    case .name(let name): "'\(name)'"
    case .string(let text): "'\(text.prefix(40))'"
    case .integer(let value): "\(value)"
    case .float(let value): "\(value)"
    case .symbol(let symbol): "'\(symbol.rawValue)'"
    case .end: "the end of the template"
    }
  }
}

enum Symbol: String, Sendable, CaseIterable {
  case power = "**"
  case floorDivide = "//"
  case equal = "=="
  case notEqual = "!="
  case greaterEqual = ">="
  case lessEqual = "<="
  case add = "+"
  case subtract = "-"
  case divide = "/"
  case multiply = "*"
  case modulo = "%"
  case tilde = "~"
  case openBracket = "["
  case closeBracket = "]"
  case openParenthesis = "("
  case closeParenthesis = ")"
  case openBrace = "{"
  case closeBrace = "}"
  case greater = ">"
  case less = "<"
  case assign = "="
  case dot = "."
  case colon = ":"
  case pipe = "|"
  case comma = ","
  case semicolon = ";"

  /// The longest symbol that starts with these characters.
  static func starting(
    with first: Unicode.Scalar, _ second: Unicode.Scalar?
  ) -> (symbol: Symbol, length: Int)? {
    if let second, let pair = pairs[Pair(first: first, second: second)] { return (pair, 2) }
    return pairs[Pair(first: first, second: nil)].map { ($0, 1) }
  }

  private struct Pair: Hashable { let first: Unicode.Scalar, second: Unicode.Scalar? }

  private static let pairs: [Pair: Symbol] = {
    var pairs: [Pair: Symbol] = [:]
    for symbol in allCases {
      var scalars = symbol.rawValue.unicodeScalars[...]
      guard let first = scalars.popFirst() else { continue }
      pairs[Pair(first: first, second: scalars.first)] = symbol
    }
    return pairs
  }()
}

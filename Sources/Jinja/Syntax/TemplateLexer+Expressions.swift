// The tokens inside `{{ }}` and `{% %}`: names, numbers, strings with Python's escapes, symbols.
// A tag ends at the first end mark outside of brackets. Refuses unbalanced brackets, characters
// that start no token, integers beyond 64 bits and `\N{...}` escapes.

extension TemplateLexer {
  mutating func lexExpressionTag(isBlock: Bool) throws(JinjaError) {
    append(isBlock ? .blockBegin : .variableBegin)
    let start = line
    var open: [Symbol] = []
    while position < source.count {
      if open.isEmpty, let end = isBlock ? tagEnd("%}", at: position) : variableEnd() {
        append(isBlock ? .blockEnd : .variableEnd)
        advance(to: end)
        return
      }
      try lexToken(open: &open)
    }
    throw .syntax("a tag is not closed", line: start)
  }

  private func variableEnd() -> Int? {
    if matches("-}}", at: position) { return skippingWhitespace(from: position + 3) }
    return matches("}}", at: position) ? position + 2 : nil
  }

  private mutating func lexToken(open: inout [Symbol]) throws(JinjaError) {
    let scalar = source[position]
    if scalar.isPythonWhitespace {
      advance(to: position + 1)
    } else if scalar.isDigit {
      try lexNumber()
    } else if scalar.startsName {
      let start = position
      while position < source.count, source[position].isNamePart { position += 1 }
      append(.name(text(start..<position)))
    } else if scalar == "'" || scalar == "\"" {
      try lexString(quote: scalar)
    } else {
      try lexSymbol(open: &open)
    }
  }

  private func text(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: source[range])
    return String(view)
  }

  private mutating func lexSymbol(open: inout [Symbol]) throws(JinjaError) {
    let second = position + 1 < source.count ? source[position + 1] : nil
    guard let (symbol, length) = Symbol.starting(with: source[position], second) else {
      throw .syntax("unexpected character '\(source[position])'", line: line)
    }
    try balance(symbol, open: &open)
    append(.symbol(symbol))
    position += length
  }

  private func balance(_ symbol: Symbol, open: inout [Symbol]) throws(JinjaError) {
    let opening: Symbol
    switch symbol {
    case .openBrace, .openBracket, .openParenthesis:
      open.append(symbol)
      return
    case .closeBrace: opening = .openBrace
    case .closeBracket: opening = .openBracket
    case .closeParenthesis: opening = .openParenthesis
    default: return
    }
    guard open.popLast() == opening else {
      throw .syntax("unexpected '\(symbol.rawValue)'", line: line)
    }
  }

  // MARK: Numbers

  private mutating func lexNumber() throws(JinjaError) {
    let start = position
    // A float may not follow a dot, so that `x.1.5` stays two subscripts.
    let mayBeFloat = start == 0 || source[start - 1] != "."
    if source[start] == "0", let radix = radix(at: start + 1) {
      position = start + 2
      skipDigits { $0.value < 128 && Int(String($0), radix: radix) != nil }
      try appendInteger(text(start + 2..<position), radix: radix)
      return
    }
    skipDigits(\.isDigit)
    var end = position
    if mayBeFloat {
      if position + 1 < source.count, source[position] == ".", source[position + 1].isDigit {
        position += 1
        skipDigits(\.isDigit)
        end = position
      }
      if let exponent = exponentEnd() { end = exponent }
    }
    position = end
    let digits = text(start..<end)
    if digits.unicodeScalars.allSatisfy({ $0.isDigit || $0 == "_" }) {
      try appendInteger(digits, radix: 10)
    } else if let value = Double(digits.filter { $0 != "_" }) {
      append(.float(value))
    }
  }

  private func radix(at index: Int) -> Int? {
    guard index + 1 < source.count else { return nil }
    let radix: Int
    switch source[index] {
    case "x", "X": radix = 16
    case "o", "O": radix = 8
    case "b", "B": radix = 2
    default: return nil
    }
    let digit = source[index + 1]
    return digit.value < 128 && Int(String(digit), radix: radix) != nil ? radix : nil
  }

  private mutating func skipDigits(_ isDigit: (Unicode.Scalar) -> Bool) {
    while position < source.count {
      let scalar = source[position]
      let isSeparator =
        scalar == "_" && position + 1 < source.count && isDigit(source[position + 1])
      guard isDigit(scalar) || isSeparator else { return }
      position += 1
    }
  }

  private func exponentEnd() -> Int? {
    var index = position
    guard index < source.count, source[index] == "e" || source[index] == "E" else { return nil }
    index += 1
    if index < source.count, source[index] == "+" || source[index] == "-" { index += 1 }
    guard index < source.count, source[index].isDigit else { return nil }
    while index < source.count, source[index].isDigit { index += 1 }
    return index
  }

  private mutating func appendInteger(_ digits: String, radix: Int) throws(JinjaError) {
    guard let value = Int(digits.filter { $0 != "_" }, radix: radix) else {
      throw .syntax("an integer does not fit 64 bits", line: line)
    }
    append(.integer(value))
  }

  // MARK: Strings

  private mutating func lexString(quote: Unicode.Scalar) throws(JinjaError) {
    let start = line
    var index = position + 1
    var value = String.UnicodeScalarView()
    while index < source.count, source[index] != quote {
      if source[index] == "\\" {
        index = try appendEscape(at: index + 1, to: &value)
      } else {
        value.append(source[index])
        index += 1
      }
    }
    guard index < source.count else { throw .syntax("a string is not closed", line: start) }
    append(.string(String(value)))
    advance(to: index + 1)
  }

  /// One escape as in Python's string literals, from behind the backslash; returns where it ends.
  private func appendEscape(
    at index: Int, to value: inout String.UnicodeScalarView
  ) throws(JinjaError) -> Int {
    guard index < source.count else { return index }
    switch source[index] {
    case "\n": break
    case "n": value.append("\n")
    case "t": value.append("\t")
    case "r": value.append("\r")
    case "a": value.append("\u{07}")
    case "b": value.append("\u{08}")
    case "f": value.append("\u{0C}")
    case "v": value.append("\u{0B}")
    case "\\", "'", "\"": value.append(source[index])
    case "x": return try appendNumericEscape(at: index + 1, count: 2, to: &value)
    case "u": return try appendNumericEscape(at: index + 1, count: 4, to: &value)
    case "U": return try appendNumericEscape(at: index + 1, count: 8, to: &value)
    case "N": throw .syntax("\\N{...} escapes are not supported", line: line)
    case "0"..."7":
      var end = index
      var code: UInt32 = 0
      while end < source.count, end < index + 3, ("0"..."7").contains(source[end]) {
        code = code * 8 + source[end].value - 48
        end += 1
      }
      if let scalar = Unicode.Scalar(code) { value.append(scalar) }
      return end
    default:
      value.append("\\")
      value.append(source[index])
    }
    return index + 1
  }

  private func appendNumericEscape(
    at index: Int, count: Int, to value: inout String.UnicodeScalarView
  ) throws(JinjaError) -> Int {
    let end = index + count
    guard end <= source.count, source[index..<end].allSatisfy(\.properties.isASCIIHexDigit),
      let code = UInt32(text(index..<end), radix: 16), let scalar = Unicode.Scalar(code)
    else { throw .syntax("an invalid escape in a string", line: line) }
    value.append(scalar)
    return end
  }
}

extension Unicode.Scalar {
  var isDigit: Bool { ("0"..."9").contains(self) }

  fileprivate var startsName: Bool {
    switch self {
    case "a"..."z", "A"..."Z", "_": true
    case "\0"..."\u{7F}": false
    default: properties.isXIDStart
    }
  }

  fileprivate var isNamePart: Bool {
    startsName || isDigit || (value >= 0x80 && properties.isXIDContinue)
  }

  /// What `str.isspace` and `\s` take for whitespace.
  var isPythonWhitespace: Bool {
    switch value {
    case 0x09...0x0D, 0x1C...0x20: true
    case 0..<0x80: false
    default: properties.isWhitespace
    }
  }
}

// Expressions with Jinja2's precedence: inline if, or, and, not, comparisons, + -, ~, * / // %, **,
// unary signs, then filters and tests, which bind tighter than any operator on their left.
// Refuses trees deeper than Expression.maximumDepth, while going down and when putting together.

extension Parser {
  mutating func parseExpression(withConditional: Bool = true) throws(JinjaError) -> Expression {
    guard expressionNesting < Expression.maximumDepth else { throw tooDeep }
    expressionNesting += 1
    defer { expressionNesting -= 1 }
    var expression = try parseBinary(above: 0)
    while withConditional, isAt(name: "if") {
      let line = line
      advance()
      let test = try parseBinary(above: 0)
      let otherwise = skip(name: "else") ? try parseExpression() : nil
      expression = try make(
        .conditional(test: test, then: expression, else: otherwise), line,
        [test, expression] + (otherwise.map { [$0] } ?? []))
    }
    return expression
  }

  private var tooDeep: JinjaError {
    .syntax("an expression is deeper than \(Expression.maximumDepth) levels", line: line)
  }

  func make(
    _ node: Expression.Node, _ line: Int, _ children: [Expression]
  ) throws(JinjaError) -> Expression {
    let depth = 1 + (children.lazy.map(\.depth).max() ?? 0)
    guard depth <= Expression.maximumDepth else { throw tooDeep }
    return Expression(node: node, line: line, depth: depth)
  }

  // MARK: Operators

  private enum Operator {
    case or, and
    case binary(BinaryOperator)
    case concatenate

    /// Higher binds tighter; 3 is `not`, 4 are comparisons.
    var precedence: Int {
      switch self {
      case .or: 1
      case .and: 2
      case .binary(.add), .binary(.subtract): 5
      case .concatenate: 6
      case .binary(.multiply), .binary(.divide), .binary(.floorDivide), .binary(.modulo): 7
      case .binary(.power): 8
      }
    }
  }

  private static let notPrecedence = 3
  private static let comparisonPrecedence = 4

  private var currentOperator: Operator? {
    switch current.kind {
    case .name("or"): .or
    case .name("and"): .and
    case .symbol(.tilde): .concatenate
    case .symbol(let symbol): BinaryOperator(rawValue: symbol.rawValue).map { .binary($0) }
    default: nil
    }
  }

  /// Precedence climbing: operators that bind tighter than `minimum`, all of them to the left.
  private mutating func parseBinary(above minimum: Int) throws(JinjaError) -> Expression {
    var left: Expression
    if minimum < Self.notPrecedence, isAt(name: "not") {
      left = try parseNot()
    } else {
      left = try parseUnary(withFilters: true)
    }
    while true {
      if let next = currentOperator, next.precedence > minimum {
        let line = line
        advance()
        let right = try parseBinary(above: next.precedence)
        left = try combine(next, left, right, line)
      } else if minimum < Self.comparisonPrecedence, let next = try parseComparisons(left) {
        left = next
      } else {
        return left
      }
    }
  }

  private mutating func parseNot() throws(JinjaError) -> Expression {
    let line = line
    var negations = 0
    while skip(name: "not") { negations += 1 }
    var operand = try parseBinary(above: Self.notPrecedence)
    for _ in 0..<negations { operand = try make(.not(operand), line, [operand]) }
    return operand
  }

  private mutating func combine(
    _ symbol: Operator, _ left: Expression, _ right: Expression, _ line: Int
  ) throws(JinjaError) -> Expression {
    switch symbol {
    case .or: return try make(.or(left, right), line, [left, right])
    case .and: return try make(.and(left, right), line, [left, right])
    case .binary(let symbol):
      return try make(.binary(symbol, left, right), line, [left, right])
    case .concatenate:
      // One flat node, so that templates may join any number of pieces.
      var parts = [left, right]
      while skip(.tilde) { parts.append(try parseBinary(above: symbol.precedence)) }
      return try make(.concatenation(parts), line, parts)
    }
  }

  /// `a < b <= c`, `x not in y`; nil where no comparison follows.
  private mutating func parseComparisons(_ left: Expression) throws(JinjaError) -> Expression? {
    let line = line
    var comparisons: [Expression.Comparison] = []
    while let comparator = takeComparator() {
      let operand = try parseBinary(above: Self.comparisonPrecedence)
      comparisons.append(Expression.Comparison(comparator: comparator, operand: operand))
    }
    guard !comparisons.isEmpty else { return nil }
    return try make(.comparison(left, comparisons), line, [left] + comparisons.map(\.operand))
  }

  private mutating func takeComparator() -> Comparator? {
    switch current.kind {
    case .symbol(let symbol):
      guard let comparator = Comparator(rawValue: symbol.rawValue) else { return nil }
      advance()
      return comparator
    case .name("in"):
      advance()
      return .contained
    case .name("not") where following.kind == .name("in"):
      advance()
      advance()
      return .notContained
    default: return nil
    }
  }

  private mutating func parseUnary(withFilters: Bool) throws(JinjaError) -> Expression {
    guard expressionNesting < Expression.maximumDepth else { throw tooDeep }
    expressionNesting += 1
    defer { expressionNesting -= 1 }
    let line = line
    var expression: Expression
    if skip(.subtract) {
      let operand = try parseUnary(withFilters: false)
      expression = try make(.negate(operand), line, [operand])
    } else if skip(.add) {
      let operand = try parseUnary(withFilters: false)
      expression = try make(.plus(operand), line, [operand])
    } else {
      expression = try parsePrimary()
    }
    expression = try parsePostfix(expression)
    return withFilters ? try parseFiltersAndTests(expression) : expression
  }

  // MARK: Literals

  mutating func parsePrimary() throws(JinjaError) -> Expression {
    let line = line
    let kind = current.kind
    switch kind {
    case .name(let name):
      advance()
      return try make(Self.constant(name).map { .literal($0) } ?? mention(name), line, [])
    case .string(var text):
      advance()
      while case .string(let more) = current.kind {
        text += more
        advance()
      }
      return try make(.literal(.string(text)), line, [])
    case .integer(let value):
      advance()
      return try make(.literal(.integer(value)), line, [])
    case .float(let value):
      advance()
      return try make(.literal(.float(value)), line, [])
    case .symbol(.openParenthesis):
      advance()
      let expression = try parseTuple(mayBeEmpty: true)
      try expect(.closeParenthesis)
      return expression
    case .symbol(.openBracket): return try parseList()
    case .symbol(.openBrace): return try parseDictionary()
    default: throw unexpected(expecting: "an expression")
    }
  }

  private mutating func mention(_ name: String) -> Expression.Node {
    mentionedNames.append(name)
    return .name(name)
  }

  static func constant(_ name: String) -> Expression.Literal? {
    switch name {
    case "true", "True": .bool(true)
    case "false", "False": .bool(false)
    case "none", "None": Expression.Literal.none
    default: nil
    }
  }

  /// One expression, or several with commas between or behind them as a tuple.
  mutating func parseTuple(
    withConditional: Bool = true, endingAt endName: String? = nil, mayBeEmpty: Bool = false
  ) throws(JinjaError) -> Expression {
    let line = line
    var items: [Expression] = []
    var isTuple = false
    while !isAtTupleEnd(endName) {
      items.append(try parseExpression(withConditional: withConditional))
      guard skip(.comma) else { break }
      isTuple = true
    }
    if !isTuple, let only = items.first { return only }
    guard isTuple || mayBeEmpty else { throw unexpected(expecting: "an expression") }
    return try make(.tuple(items), line, items)
  }

  private func isAtTupleEnd(_ endName: String?) -> Bool {
    switch current.kind {
    case .variableEnd, .blockEnd, .symbol(.closeParenthesis): true
    case .name(let name): name == endName
    default: false
    }
  }

  private mutating func parseList() throws(JinjaError) -> Expression {
    let line = line
    advance()
    var items: [Expression] = []
    while !isAt(.closeBracket) {
      items.append(try parseExpression())
      if !isAt(.closeBracket) { try expect(.comma) }
    }
    advance()
    return try make(.list(items), line, items)
  }

  private mutating func parseDictionary() throws(JinjaError) -> Expression {
    let line = line
    advance()
    var pairs: [Expression.Pair] = []
    while !isAt(.closeBrace) {
      let key = try parseExpression()
      try expect(.colon)
      pairs.append(Expression.Pair(key: key, value: try parseExpression()))
      if !isAt(.closeBrace) { try expect(.comma) }
    }
    advance()
    return try make(.dictionary(pairs), line, pairs.flatMap { [$0.key, $0.value] })
  }

  // MARK: Assignment targets

  /// Names and tuples of names; with `withNamespace` also `namespace.attribute`.
  mutating func parseTarget(
    withNamespace: Bool = false, endingAt endName: String? = nil
  ) throws(JinjaError) -> Target {
    var targets: [Target] = []
    var isTuple = false
    while !isAtTupleEnd(endName), !isAt(.assign) {
      targets.append(try parseSingleTarget(withNamespace: withNamespace))
      guard skip(.comma) else { break }
      isTuple = true
    }
    if !isTuple, let only = targets.first { return only }
    guard isTuple else { throw unexpected(expecting: "a name to assign to") }
    return .tuple(targets)
  }

  private mutating func parseSingleTarget(withNamespace: Bool) throws(JinjaError) -> Target {
    guard expressionNesting < Expression.maximumDepth else { throw tooDeep }
    expressionNesting += 1
    defer { expressionNesting -= 1 }
    if skip(.openParenthesis) {
      let target = try parseTarget(withNamespace: withNamespace)
      try expect(.closeParenthesis)
      return target
    }
    let line = line
    let name = try expectName()
    if withNamespace, skip(.dot) { return .namespaceAttribute(name, try expectName()) }
    if Self.constant(name) != nil { throw .syntax("cannot assign to '\(name)'", line: line) }
    return .name(name)
  }
}

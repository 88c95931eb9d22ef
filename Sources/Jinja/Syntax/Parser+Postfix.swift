// What follows a primary expression: attributes, subscripts, slices, calls, filters and tests.

extension Parser {
  mutating func parsePostfix(_ operand: Expression) throws(JinjaError) -> Expression {
    var expression = operand
    while true {
      switch current.kind {
      case .symbol(.dot): expression = try parseAttribute(of: expression)
      case .symbol(.openBracket): expression = try parseSubscript(of: expression)
      case .symbol(.openParenthesis): expression = try parseCall(of: expression)
      default: return expression
      }
    }
  }

  mutating func parseFiltersAndTests(_ operand: Expression) throws(JinjaError) -> Expression {
    var expression = operand
    while true {
      switch current.kind {
      case .symbol(.pipe):
        advance()
        let call = try parseFilterCall()
        expression = try make(
          .filter(expression, call), call.line, [expression] + call.arguments.all)
      case .name("is"): expression = try parseTest(of: expression)
      case .symbol(.openParenthesis): expression = try parseCall(of: expression)
      default: return expression
      }
    }
  }

  private mutating func parseAttribute(of operand: Expression) throws(JinjaError) -> Expression {
    let line = line
    advance()
    if case .integer(let index) = current.kind {
      advance()
      let item = try make(.literal(.integer(index)), line, [])
      return try make(.item(operand, item), line, [operand])
    }
    return try make(.attribute(operand, try expectName()), line, [operand])
  }

  private mutating func parseSubscript(of operand: Expression) throws(JinjaError) -> Expression {
    let line = line
    advance()
    let first = isAt(.colon) ? nil : try parseExpression()
    if isAt(.colon) {
      let bounds = try parseSliceBounds(start: first)
      try expect(.closeBracket)
      let children = [bounds.start, bounds.stop, bounds.step].compactMap { $0 }
      return try make(.slice(operand, bounds), line, [operand] + children)
    }
    guard let first else { throw unexpected(expecting: "an expression") }
    var items = [first]
    while skip(.comma) { items.append(try parseExpression()) }
    try expect(.closeBracket)
    let item = items.count == 1 ? first : try make(.tuple(items), line, items)
    return try make(.item(operand, item), line, [operand, item])
  }

  private mutating func parseSliceBounds(
    start: Expression?
  ) throws(JinjaError) -> Expression.SliceBounds {
    try expect(.colon)
    let stop = isAt(.colon) || isAt(.closeBracket) ? nil : try parseExpression()
    guard skip(.colon) else { return Expression.SliceBounds(start: start, stop: stop, step: nil) }
    let step = isAt(.closeBracket) ? nil : try parseExpression()
    return Expression.SliceBounds(start: start, stop: stop, step: step)
  }

  private mutating func parseCall(of operand: Expression) throws(JinjaError) -> Expression {
    let line = line
    let arguments = try parseArguments()
    return try make(.call(operand, arguments), line, [operand] + arguments.all)
  }

  mutating func parseFilterCall() throws(JinjaError) -> FilterCall {
    let line = line
    let name = try parseDottedName()
    let arguments = isAt(.openParenthesis) ? try parseArguments() : Arguments()
    return FilterCall(name: name, arguments: arguments, line: line)
  }

  private mutating func parseDottedName() throws(JinjaError) -> String {
    var name = try expectName()
    while skip(.dot) { name += "." + (try expectName()) }
    return name
  }

  private mutating func parseTest(of operand: Expression) throws(JinjaError) -> Expression {
    let line = line
    advance()
    let isNegated = skip(name: "not")
    let name = try parseDottedName()
    var arguments = Arguments()
    if isAt(.openParenthesis) {
      arguments = try parseArguments()
    } else if startsTestArgument {
      guard !isAt(name: "is") else { throw .syntax("tests cannot be chained", line: line) }
      arguments.positional = [try parsePostfix(try parsePrimary())]
    }
    let test = try make(.test(operand, name, arguments), line, [operand] + arguments.all)
    return isNegated ? try make(.not(test), line, [test]) : test
  }

  /// A test takes one argument without parentheses: `x is divisibleby 3`.
  private var startsTestArgument: Bool {
    switch current.kind {
    case .name(let name): !["else", "or", "and"].contains(name)
    case .string, .integer, .float, .symbol(.openBracket), .symbol(.openBrace): true
    default: false
    }
  }

  private mutating func parseArguments() throws(JinjaError) -> Arguments {
    try expect(.openParenthesis)
    var arguments = Arguments()
    while !isAt(.closeParenthesis) {
      try parseArgument(into: &arguments)
      if !isAt(.closeParenthesis) { try expect(.comma) }
    }
    try expect(.closeParenthesis)
    return arguments
  }

  private mutating func parseArgument(into arguments: inout Arguments) throws(JinjaError) {
    let line = line
    let isUnpackingDictionary = arguments.unpackedDictionary != nil
    if !isUnpackingDictionary, arguments.unpackedList == nil, skip(.multiply) {
      arguments.unpackedList = try parseExpression()
    } else if !isUnpackingDictionary, skip(.power) {
      arguments.unpackedDictionary = try parseExpression()
    } else if !isUnpackingDictionary, case .name(let name) = current.kind,
      following.kind == .symbol(.assign)
    {
      advance()
      advance()
      arguments.named.append(Arguments.Named(name: name, value: try parseExpression()))
    } else if !isUnpackingDictionary, arguments.unpackedList == nil, arguments.named.isEmpty {
      arguments.positional.append(try parseExpression())
    } else {
      throw .syntax("arguments of a call are in the wrong order", line: line)
    }
  }
}

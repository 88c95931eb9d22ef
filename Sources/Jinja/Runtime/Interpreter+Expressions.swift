// Evaluates expressions. Undefined values travel freely until something is done with them.

extension Interpreter {
  func evaluate(_ expression: Expression, in scope: Scope) throws(JinjaError) -> Value {
    try meter.enter()
    defer { meter.leave() }
    switch expression.node {
    case .literal(let literal): return Value(literal)
    case .name(let name): return scope.lookUp(name) ?? .undefined("'\(name)' is undefined")
    case .list(let items): return try .list(evaluate(items, in: scope))
    case .tuple(let items): return try .tuple(evaluate(items, in: scope))
    case .dictionary(let pairs): return try evaluate(pairs, in: scope)
    case .attribute(let operand, let name):
      let value = try evaluate(operand, in: scope)
      moveTo(line: expression.line)
      return try attribute(name, of: value)
    case .item(let operand, let item):
      let value = try evaluate(operand, in: scope)
      let item = try evaluate(item, in: scope)
      moveTo(line: expression.line)
      return try self.item(item, of: value)
    case .slice(let operand, let bounds):
      let value = try evaluate(operand, in: scope)
      let indices = try evaluate(bounds, in: scope)
      moveTo(line: expression.line)
      return try value.sliced(indices, meter)
    case .call(let callee, let arguments):
      return try evaluateCall(callee, arguments, caller: nil, line: expression.line, in: scope)
    case .filter(let operand, let filter):
      let value = try evaluate(operand, in: scope)
      let arguments = try evaluate(filter.arguments, in: scope)
      moveTo(line: expression.line)
      return try applyFilter(filter.name, to: value, arguments)
    case .test(let operand, let name, let arguments):
      let value = try evaluate(operand, in: scope)
      let arguments = try evaluate(arguments, in: scope)
      moveTo(line: expression.line)
      return .bool(try applyTest(name, to: value, arguments))
    default: return try evaluateOperation(expression, in: scope)
    }
  }

  private func evaluateOperation(
    _ expression: Expression, in scope: Scope
  ) throws(JinjaError) -> Value {
    switch expression.node {
    case .not(let operand): return .bool(!(try evaluate(operand, in: scope).isTrue))
    case .negate(let operand): return try evaluate(operand, in: scope).negated()
    case .plus(let operand): return try evaluate(operand, in: scope).affirmed()
    case .and(let left, let right):
      let value = try evaluate(left, in: scope)
      return value.isTrue ? try evaluate(right, in: scope) : value
    case .or(let left, let right):
      let value = try evaluate(left, in: scope)
      return value.isTrue ? value : try evaluate(right, in: scope)
    case .binary(let symbol, let left, let right):
      let left = try evaluate(left, in: scope)
      let right = try evaluate(right, in: scope)
      moveTo(line: expression.line)
      return try Value.apply(symbol, left, right, meter)
    case .concatenation(let parts):
      var text = ""
      for part in parts { text += try evaluate(part, in: scope).text(meter) }
      try meter.chargeText(text.utf8.count)
      return .string(text)
    case .comparison(let left, let comparisons):
      return try compare(left, comparisons, in: scope)
    case .conditional(let test, let then, let otherwise):
      if try evaluate(test, in: scope).isTrue { return try evaluate(then, in: scope) }
      guard let otherwise else {
        return .undefined("the inline if evaluated to false and has no else")
      }
      return try evaluate(otherwise, in: scope)
    default: return .undefined("the expression has no value")
    }
  }

  private func evaluate(
    _ expressions: [Expression], in scope: Scope
  ) throws(JinjaError) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(expressions.count)
    for expression in expressions { values.append(try evaluate(expression, in: scope)) }
    return values
  }

  private func evaluate(
    _ pairs: [Expression.Pair], in scope: Scope
  ) throws(JinjaError) -> Value {
    var members = Dictionary.Members()
    for pair in pairs {
      let key = try HashableValue(try evaluate(pair.key, in: scope))
      members[key] = try evaluate(pair.value, in: scope)
    }
    return .dictionary(try Dictionary(members))
  }

  private func evaluate(
    _ bounds: Expression.SliceBounds, in scope: Scope
  ) throws(JinjaError) -> SliceIndices {
    var indices: [Int?] = []
    for bound in [bounds.start, bounds.stop, bounds.step] {
      guard let bound else {
        indices.append(nil)
        continue
      }
      let value = try evaluate(bound, in: scope)
      let index = value.integerValue
      if index == nil {
        guard case .none = value else {
          throw .runtime("slice indices must be integers or None, not \(value.typeName)")
        }
      }
      indices.append(index)
    }
    return SliceIndices(start: indices[0], stop: indices[1], step: indices[2])
  }

  private func compare(
    _ first: Expression, _ comparisons: [Expression.Comparison], in scope: Scope
  ) throws(JinjaError) -> Value {
    var left = try evaluate(first, in: scope)
    for comparison in comparisons {
      let right = try evaluate(comparison.operand, in: scope)
      guard try compare(left, comparison.comparator, right) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  func compare(
    _ left: Value, _ comparator: Comparator, _ right: Value
  ) throws(JinjaError) -> Bool {
    switch comparator {
    case .equal: return left.isEqual(to: right)
    case .notEqual: return !left.isEqual(to: right)
    case .less: return try left.isLess(than: right)
    case .greater: return try right.isLess(than: left)
    // Not the opposite of the other two: comparisons with NaN are all false.
    case .lessEqual: return try left.isLess(than: right) || left.isEqual(to: right)
    case .greaterEqual: return try right.isLess(than: left) || left.isEqual(to: right)
    case .contained: return try left.isContained(in: right, meter)
    case .notContained: return !(try left.isContained(in: right, meter))
    }
  }
}

extension Value {
  fileprivate init(_ literal: Expression.Literal) {
    switch literal {
    case .none: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(value)
    case .float(let value): self = .float(value)
    case .string(let value): self = .string(value)
    }
  }
}

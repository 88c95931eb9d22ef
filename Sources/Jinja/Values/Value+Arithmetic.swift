// Python's operators on values: integers that never wrap (what leaves 64 bits is an error), `/`
// that always gives a float, `//` and `%` that round down, sequences that add and repeat, and `%`
// that formats strings. Undefined operands throw their own message.

extension Value {
  static func apply(
    _ symbol: BinaryOperator, _ left: Value, _ right: Value, _ meter: Meter
  ) throws(JinjaError) -> Value {
    if case .undefined(let undefined) = left { throw undefined.error }
    if case .string(let template) = left, symbol == .modulo {
      return .string(try formatPercent(template, right, meter))
    }
    if case .undefined(let undefined) = right { throw undefined.error }
    if let left = left.integerValue, let right = right.integerValue {
      return try combine(symbol, left, right)
    }
    if let left = left.floatValue, let right = right.floatValue {
      return .float(try combine(symbol, left, right))
    }
    if let result = try combineSequences(symbol, left, right, meter) { return result }
    throw .runtime(
      "unsupported operand type(s) for \(symbol.rawValue): "
        + "'\(left.typeName)' and '\(right.typeName)'")
  }

  private static func combine(
    _ symbol: BinaryOperator, _ left: Int, _ right: Int
  ) throws(JinjaError) -> Value {
    switch symbol {
    case .add: return try checked(left.addingReportingOverflow(right))
    case .subtract: return try checked(left.subtractingReportingOverflow(right))
    case .multiply: return try checked(left.multipliedReportingOverflow(by: right))
    case .divide:
      guard right != 0 else { throw .runtime("division by zero") }
      return .float(Double(left) / Double(right))
    case .floorDivide:
      guard right != 0 else { throw .runtime("integer division or modulo by zero") }
      let (quotient, overflow) = left.dividedReportingOverflow(by: right)
      let remainder = left.remainderReportingOverflow(dividingBy: right).partialValue
      let isRoundedUp = remainder != 0 && (remainder < 0) != (right < 0)
      return try checked((quotient &- (isRoundedUp ? 1 : 0), overflow))
    case .modulo:
      guard right != 0 else { throw .runtime("integer division or modulo by zero") }
      let remainder = left.remainderReportingOverflow(dividingBy: right).partialValue
      return .integer(
        remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder)
    case .power:
      return right < 0
        ? .float(try combine(.power, Double(left), Double(right)))
        : try power(left, right)
    }
  }

  private static func checked(
    _ result: (partialValue: Int, overflow: Bool)
  ) throws(JinjaError) -> Value {
    guard !result.overflow else { throw .runtime("an integer exceeds 64 bits") }
    return .integer(result.partialValue)
  }

  /// By squaring; stops at the first overflow, so the exponent's size does not matter.
  private static func power(_ base: Int, _ exponent: Int) throws(JinjaError) -> Value {
    var result = 1
    var square = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 {
        let (product, overflow) = result.multipliedReportingOverflow(by: square)
        guard !overflow else { throw .runtime("an integer exceeds 64 bits") }
        result = product
      }
      rest >>= 1
      guard rest > 0 else { break }
      let (next, overflow) = square.multipliedReportingOverflow(by: square)
      guard !overflow else { throw .runtime("an integer exceeds 64 bits") }
      square = next
    }
    return .integer(result)
  }

  private static func combine(
    _ symbol: BinaryOperator, _ left: Double, _ right: Double
  ) throws(JinjaError) -> Double {
    switch symbol {
    case .add: return left + right
    case .subtract: return left - right
    case .multiply: return left * right
    case .divide:
      guard right != 0 else { throw .runtime("float division by zero") }
      return left / right
    case .floorDivide:
      guard right != 0 else { throw .runtime("float floor division by zero") }
      return (left / right).rounded(.down)
    case .modulo:
      guard right != 0 else { throw .runtime("float modulo by zero") }
      let remainder = left.truncatingRemainder(dividingBy: right)
      return remainder != 0 && (remainder < 0) != (right < 0) ? remainder + right : remainder
    case .power: return try raise(left, to: right)
    }
  }

  private static func combineSequences(
    _ symbol: BinaryOperator, _ left: Value, _ right: Value, _ meter: Meter
  ) throws(JinjaError) -> Value? {
    switch (symbol, left, right) {
    case (.add, .string(let left), .string(let right)):
      try meter.chargeText(left.utf8.count + right.utf8.count)
      return .string(left + right)
    case (.add, .list(let left), .list(let right)):
      try meter.chargeItems(left.items.count + right.items.count)
      return try .list(left.items + right.items)
    case (.add, .tuple(let left), .tuple(let right)):
      try meter.chargeItems(left.items.count + right.items.count)
      return try .tuple(left.items + right.items)
    case (.multiply, .string(let text), _):
      return try right.integerValue.map { count throws(JinjaError) in
        try .string(repeated(text, count, meter))
      }
    case (.multiply, _, .string(let text)):
      return try left.integerValue.map { count throws(JinjaError) in
        try .string(repeated(text, count, meter))
      }
    case (.multiply, .list(let list), _):
      return try right.integerValue.map { count throws(JinjaError) in
        try .list(repeated(list, count, meter))
      }
    case (.multiply, _, .list(let list)):
      return try left.integerValue.map { count throws(JinjaError) in
        try .list(repeated(list, count, meter))
      }
    case (.multiply, .tuple(let list), _):
      return try right.integerValue.map { count throws(JinjaError) in
        try .tuple(repeated(list, count, meter))
      }
    default: return nil
    }
  }

  private static func repeated(
    _ text: String, _ count: Int, _ meter: Meter
  ) throws(JinjaError) -> String {
    let (bytes, overflow) = text.utf8.count.multipliedReportingOverflow(by: max(count, 0))
    try meter.chargeText(overflow ? .max : bytes)
    // An empty text may be repeated any number of times, at once.
    return bytes == 0 ? "" : String(repeating: text, count: max(count, 0))
  }

  private static func repeated(
    _ list: List, _ count: Int, _ meter: Meter
  ) throws(JinjaError) -> [Value] {
    let (total, overflow) = list.items.count.multipliedReportingOverflow(by: max(count, 0))
    try meter.chargeItems(overflow ? .max : total)
    return total == 0 ? [] : Array(repeatElement(list.items, count: max(count, 0)).joined())
  }

  func negated() throws(JinjaError) -> Value {
    switch self {
    case .undefined(let undefined): throw undefined.error
    case .float(let value): return .float(-value)
    default:
      guard let value = integerValue else {
        throw .runtime("bad operand type for unary -: '\(typeName)'")
      }
      return try Self.checked((0).subtractingReportingOverflow(value))
    }
  }

  func affirmed() throws(JinjaError) -> Value {
    switch self {
    case .undefined(let undefined): throw undefined.error
    case .float: return self
    default:
      guard let value = integerValue else {
        throw .runtime("bad operand type for unary +: '\(typeName)'")
      }
      return .integer(value)
    }
  }
}

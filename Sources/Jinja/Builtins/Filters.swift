// The filters of the language by name: jinja2/filters.py without those that make HTML, read the
// clock's randomness or print addresses, and with transformers' tojson.

typealias FilterBody =
  @Sendable (Value, CallArguments, Interpreter) throws(JinjaError) -> Value

enum Filters {
  static let table: [String: FilterBody] = text.merging(sequences) { first, _ in first }
    .merging(selections) { first, _ in first }.merging(values) { first, _ in first }
}

extension Interpreter {
  func applyFilter(
    _ name: String, to value: Value, _ arguments: CallArguments
  ) throws(JinjaError) -> Value {
    guard let filter = Filters.table[name] else { throw .runtime("no filter named '\(name)'") }
    do throws(JinjaError) {
      return try filter(value, arguments, self)
    } catch .runtime(let message, line: 0) {
      throw .runtime("\(name): \(message)")
    }
  }
}

extension Filters {
  /// Filters of single values: defaults, numbers, JSON.
  fileprivate static let values: [String: FilterBody] = [
    "default": applyDefault, "d": applyDefault,
    "tojson": { (value, arguments, interpreter) throws(JinjaError) in
      let names = ("ensure_ascii", "indent", "separators", "sort_keys")
      let bound = try arguments.bound(to: names.0, names.1, names.2, names.3)
      var dumper = JSONDumper(
        format: try jsonFormat(bound, interpreter.meter), meter: interpreter.meter)
      try dumper.append(value)
      return .string(dumper.text)
    },
    "int": { (value, arguments, _) throws(JinjaError) in
      let bound = try arguments.bound(to: "default", "base")
      return try integer(value, base: try bound.integer(1) ?? 10) ?? bound[0] ?? .integer(0)
    },
    "float": { (value, arguments, _) throws(JinjaError) in
      let standard = try arguments.bound(to: "default")[0] ?? .float(0)
      if case .undefined(let undefined) = value { throw undefined.error }
      if case .string(let text) = value { return pythonDouble(text).map { .float($0) } ?? standard }
      return value.floatValue.map { .float($0) } ?? standard
    },
    "abs": { (value, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      if case .float(let number) = value { return .float(number.magnitude) }
      if case .undefined(let undefined) = value { throw undefined.error }
      guard let number = value.integerValue else {
        throw .runtime("bad operand type for abs(): '\(value.typeName)'")
      }
      return number < 0 ? try Value.integer(number).negated() : .integer(number)
    },
    "round": round,
    "attr": { (value, arguments, interpreter) throws(JinjaError) in
      let name = try arguments.bound(to: "name").requiredString(0)
      if case .undefined(let undefined) = value { throw undefined.error }
      return value.attribute(name)
        ?? .undefined("'\(value.typeName) object' has no attribute '\(name)'")
    },
  ]

  private static let applyDefault: FilterBody = { (value, arguments, _) throws(JinjaError) in
    let bound = try arguments.bound(to: "default_value", "boolean")
    if case .undefined = value { return bound[0] ?? .string("") }
    return bound.isTrue(1) && !value.isTrue ? bound[0] ?? .string("") : value
  }

  private static func jsonFormat(
    _ bound: CallArguments.Bound, _ meter: Meter
  ) throws(JinjaError) -> JSONFormat {
    var format = JSONFormat()
    format.ensureASCII = bound.isTrue(0)
    format.sortKeys = bound.isTrue(3)
    switch bound.optional(1) {
    case nil: break
    case .string(let indent): format.indent = indent
    default:
      let width = try bound.integer(1) ?? 0
      guard width <= 1000 else { throw .runtime("indent exceeds 1000 spaces") }
      format.indent = String(repeating: " ", count: max(0, width))
    }
    if format.indent != nil { format.itemSeparator = "," }
    if let separators = try bound.optional(2)?.iterated(meter) {
      guard separators.count == 2 else { throw .runtime("separators must be a pair") }
      format.itemSeparator = try separators[0].expectString("a separator")
      format.keySeparator = try separators[1].expectString("a separator")
    }
    return format
  }

  /// Nil where the value is no number.
  private static func integer(_ value: Value, base: Int) throws(JinjaError) -> Value? {
    if case .undefined(let undefined) = value { throw undefined.error }
    if let integer = value.integerValue { return .integer(integer) }
    var number = value.floatValue
    if case .string(let text) = value {
      if let integer = pythonInteger(text, base: base) { return .integer(integer) }
      number = pythonDouble(text)
    }
    guard let number, number.isFinite else { return nil }
    guard let integer = Int(exactly: number.rounded(.towardZero)) else {
      throw .runtime("an integer exceeds 64 bits")
    }
    return .integer(integer)
  }

  private static let round: FilterBody = { (value, arguments, _) throws(JinjaError) in
    let bound = try arguments.bound(to: "precision", "method")
    let precision = try bound.integer(0) ?? 0
    let method = try bound.string(1) ?? "common"
    if case .undefined(let undefined) = value { throw undefined.error }
    guard let number = value.floatValue else {
      throw .runtime("type \(value.typeName) doesn't define __round__ method")
    }
    guard precision.magnitude <= 300 else { throw .runtime("precision exceeds 300 digits") }
    let scale = try raise(10, to: Double(precision))
    switch method {
    case "ceil": return .float((number * scale).rounded(.up) / scale)
    case "floor": return .float((number * scale).rounded(.down) / scale)
    case "common": break
    default: throw .runtime("method must be common, ceil or floor")
    }
    if precision < 0 {
      let rounded = (number * scale).rounded(.toNearestOrEven) / scale
      guard value.integerValue != nil else { return .float(rounded) }
      return Int(exactly: rounded).map { .integer($0) } ?? value
    }
    if value.integerValue != nil { return value.integerValue.map { .integer($0) } ?? value }
    guard number.isFinite else { return value }
    return .float(Double(decimalText(number, precision: precision, conversion: "f")) ?? number)
  }
}

/// What Python's int() reads from a text.
private func pythonInteger(_ text: String, base: Int) -> Int? {
  guard (2...36).contains(base) else { return nil }
  var digits = text.strippingScalars()
  var sign = ""
  if let first = digits.unicodeScalars.first, first == "+" || first == "-" {
    sign = String(first)
    digits = String(digits.unicodeScalars.dropFirst())
  }
  let prefix = [16: "0x", 8: "0o", 2: "0b"][base]
  if let prefix, digits.lowercased().utf8.starts(with: prefix.utf8) {
    digits = String(digits.dropFirst(2))
  }
  guard let plain = removingDigitSeparators(digits) else { return nil }
  return plain.first == "-" || plain.first == "+" ? nil : Int(sign + plain, radix: base)
}

/// What Python's float() reads from a text.
private func pythonDouble(_ text: String) -> Double? {
  guard let digits = removingDigitSeparators(text.strippingScalars()) else { return nil }
  // Swift also reads hexadecimal floats and payloads of NaN, which Python does not.
  guard digits.utf8.allSatisfy({ $0 != UInt8(ascii: "x") && $0 != UInt8(ascii: "X") }),
    !digits.utf8.contains(UInt8(ascii: "("))
  else { return nil }
  return Double(digits)
}

/// Python allows single underscores between digits.
private func removingDigitSeparators(_ text: String) -> String? {
  let bytes = Array(text.utf8)
  for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "_") {
    guard index > 0, index + 1 < bytes.count, bytes[index - 1] != byte, bytes[index + 1] != byte
    else { return nil }
  }
  return String(decoding: bytes.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
}

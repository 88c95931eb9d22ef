// The types that Codable treats as single values, and how each is read from and written as JSON.
// Relies on the caller to name the path. Refuses whatever would change a number: fractions for
// integers, values out of range, doubles that are not finite; strings are never taken as numbers.

/// A leaf of the Codable world.
protocol JSONPrimitive {
  /// Throws a JSONError without a path.
  init(json: JSONValue) throws(JSONError)
  /// Nil where JSON has no such value.
  var json: JSONValue? { get }
}

extension JSONValue {
  /// The value as error messages quote it.
  var summary: String {
    switch self {
    case .null, .bool, .integer, .double: return description
    case .string(let text) where text.unicodeScalars.count > 40:
      return JSONValue.string(String(text.unicodeScalars.prefix(40)) + "…").description
    case .string: return description
    case .array: return "an array"
    case .object: return "an object"
    }
  }

  func mismatch(_ expected: String) -> JSONError {
    JSONError("expected \(expected), found \(summary)")
  }
}

extension Bool: JSONPrimitive {
  init(json: JSONValue) throws(JSONError) {
    guard case .bool(let value) = json else { throw json.mismatch("true or false") }
    self = value
  }

  var json: JSONValue? { .bool(self) }
}

extension String: JSONPrimitive {
  init(json: JSONValue) throws(JSONError) {
    guard case .string(let value) = json else { throw json.mismatch("a string") }
    self = value
  }

  var json: JSONValue? { .string(self) }
}

extension Double: JSONPrimitive {
  init(json: JSONValue) throws(JSONError) {
    guard let value = json.double else { throw json.mismatch("a number") }
    self = value
  }

  var json: JSONValue? { isFinite ? .double(self) : nil }
}

extension Float: JSONPrimitive {
  init(json: JSONValue) throws(JSONError) {
    guard let value = json.double else { throw json.mismatch("a number") }
    self = Float(value)
    guard isFinite else { throw json.mismatch("a number within single precision") }
  }

  /// The double nearest to the float's shortest digits, so that 0.1 is not written as
  /// 0.10000000149011612.
  var json: JSONValue? { isFinite ? Double(description).map { .double($0) } : nil }
}

extension FixedWidthInteger {
  init(json: JSONValue) throws(JSONError) {
    let exact: Self? =
      switch json {
      case .integer(let value): Self(exactly: value)
      case .double(let value): Self(exactly: value)
      default: nil
      }
    if let exact {
      self = exact
      return
    }
    guard let value = json.double, value.rounded() == value else {
      throw json.mismatch("an integer")
    }
    throw json.mismatch("an integer between \(Self.min) and \(Self.max)")
  }

  var json: JSONValue? { Int64(exactly: self).map { .integer($0) } }
}

extension Int: JSONPrimitive {}
extension Int8: JSONPrimitive {}
extension Int16: JSONPrimitive {}
extension Int32: JSONPrimitive {}
extension Int64: JSONPrimitive {}
extension UInt: JSONPrimitive {}
extension UInt8: JSONPrimitive {}
extension UInt16: JSONPrimitive {}
extension UInt32: JSONPrimitive {}
extension UInt64: JSONPrimitive {}

// The key-value pairs at the head of a GGUF file: numbers, strings and lists of them. Relies on its
// reader to stay within the file; lists take no more memory than a small multiple of their bytes.
// Refuses lists of lists, and values of another type than asked for, by key.

package struct GGUFMetadata: Sendable {
  package enum Value: Sendable, Hashable {
    case integer(Int)
    case float(Double)
    case bool(Bool)
    case string(String)
    case integers([Int32])
    case floats([Float])
    case strings([String])
  }

  package let path: String
  private var values: [String: Value] = [:]

  private static let maximumKeyBytes = 65_535

  init(_ reader: inout ByteReader, count: UInt64, path: String) throws(ModelError) {
    self.path = path
    for _ in 0..<count {
      reader.subject = "its metadata"
      let length: UInt64 = try reader.integer()
      guard length <= Self.maximumKeyBytes else {
        throw reader.refusal("a key of its metadata has \(length) bytes")
      }
      let key = try reader.string(length)
      reader.subject = "the value of \(key.prefix(64))"
      let value = try Self.value(&reader, type: reader.integer())
      guard values.updateValue(value, forKey: key) == nil else {
        throw reader.refusal("key \(key) is given twice")
      }
    }
  }

  package subscript(key: String) -> Value? { values[key] }

  package func refusal(_ key: String, _ reason: String) -> ModelError {
    .malformedConfiguration(path: path, key: key, reason: reason)
  }

  package func integer(_ key: String, in limits: ClosedRange<Int>) throws(ModelError) -> Int? {
    guard let value = values[key] else { return nil }
    guard case .integer(let number) = value, limits.contains(number) else {
      throw refusal(
        key, "it must be a number between \(limits.lowerBound) and \(limits.upperBound)")
    }
    return number
  }

  package func string(_ key: String) throws(ModelError) -> String? {
    guard let value = values[key] else { return nil }
    guard case .string(let text) = value else { throw refusal(key, "it must be a string") }
    return text
  }

  package func bool(_ key: String) throws(ModelError) -> Bool? {
    guard let value = values[key] else { return nil }
    guard case .bool(let bool) = value else { throw refusal(key, "it must be true or false") }
    return bool
  }

  package func strings(_ key: String) throws(ModelError) -> [String]? {
    guard let value = values[key] else { return nil }
    guard case .strings(let list) = value else { throw refusal(key, "it must list strings") }
    return list
  }

  package func integers(_ key: String) throws(ModelError) -> [Int32]? {
    guard let value = values[key] else { return nil }
    guard case .integers(let list) = value else { throw refusal(key, "it must list integers") }
    return list
  }

  package func floats(_ key: String) throws(ModelError) -> [Float]? {
    guard let value = values[key] else { return nil }
    guard case .floats(let list) = value else { throw refusal(key, "it must list numbers") }
    return list
  }

  // Reading ----------------------------------------------------------------------------------------

  private static func value(_ reader: inout ByteReader, type: UInt32) throws(ModelError) -> Value {
    switch type {
    case 6, 12: return .float(try float(&reader, type))
    case 7: return .bool(try reader.integer(UInt8.self) != 0)
    case 8: return .string(try string(&reader))
    case 9: return try list(&reader)
    default: return .integer(try integer(&reader, type))
    }
  }

  private static func integer(_ reader: inout ByteReader, _ type: UInt32) throws(ModelError) -> Int
  {
    switch type {
    case 0, 7: return Int(try reader.integer(UInt8.self))
    case 1: return Int(try reader.integer(Int8.self))
    case 2: return Int(try reader.integer(UInt16.self))
    case 3: return Int(try reader.integer(Int16.self))
    case 4: return Int(try reader.integer(UInt32.self))
    case 5: return Int(try reader.integer(Int32.self))
    case 10:
      guard let number = Int(exactly: try reader.integer(UInt64.self)) else {
        throw reader.refusal("\(reader.subject) is beyond 63 bits")
      }
      return number
    case 11: return Int(try reader.integer(Int64.self))
    default: throw reader.refusal("\(reader.subject) has the unknown type \(type)")
    }
  }

  private static func float(_ reader: inout ByteReader, _ type: UInt32) throws(ModelError)
    -> Double
  {
    type == 6
      ? Double(Float(bitPattern: try reader.integer()))
      : Double(bitPattern: try reader.integer())
  }

  private static func string(_ reader: inout ByteReader) throws(ModelError) -> String {
    try reader.string(reader.integer(UInt64.self))
  }

  private static func list(_ reader: inout ByteReader) throws(ModelError) -> Value {
    let (type, count) = (try reader.integer(UInt32.self), try reader.integer(UInt64.self))
    switch type {
    case 8:
      var list: [String] = []
      for _ in 0..<count { list.append(try string(&reader)) }
      return .strings(list)
    case 6, 12:
      var list: [Float] = []
      for _ in 0..<count { list.append(Float(try float(&reader, type))) }
      return .floats(list)
    case 9: throw reader.refusal("\(reader.subject) is a list of lists")
    default:
      var list: [Int32] = []
      for _ in 0..<count {
        guard let number = Int32(exactly: try integer(&reader, type)) else {
          throw reader.refusal("\(reader.subject) holds numbers beyond 32 bits")
        }
        list.append(number)
      }
      return .integers(list)
    }
  }
}

// Decodable types from JSON. Every error says where: `messages[2].role: expected a string, found
// 3`. Unknown members are ignored; JSONValue and JSONObject members arrive as they were, in order.
// Refuses what JSONPrimitive refuses; depth is bounded by the parser or by whoever made the value.

package struct JSONReader: Sendable {
  package init() {}

  package func decode<T: Decodable>(_ type: T.Type, from bytes: [UInt8]) throws -> T {
    try decode(type, from: JSONValue(parsing: bytes))
  }

  /// Throws JSONError, and whatever else initializers of the type throw.
  package func decode<T: Decodable>(_ type: T.Type, from value: JSONValue) throws -> T {
    try ValueDecoder(value: value, path: .root).decode(type)
  }
}

/// One value at its place, as Decodable sees it.
struct ValueDecoder: Decoder {
  let value: JSONValue
  let path: CodingPath

  var codingPath: [any CodingKey] { path.keys }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
    guard case .object(let members) = value else {
      throw path.locating(value.mismatch("an object"))
    }
    return KeyedDecodingContainer(MemberReader(members: members, path: path))
  }

  func unkeyedContainer() throws -> any UnkeyedDecodingContainer {
    guard case .array(let elements) = value else {
      throw path.locating(value.mismatch("an array"))
    }
    return ElementReader(elements: elements, path: path)
  }

  func singleValueContainer() throws -> any SingleValueDecodingContainer {
    SingleValueReader(decoder: self)
  }

  func decode<T: Decodable>(_ type: T.Type) throws -> T {
    if let verbatim = value as? T { return verbatim }
    do {
      if let primitive = type as? any JSONPrimitive.Type {
        if let result = try primitive.init(json: value) as? T { return result }
      } else if type == JSONObject.self {
        // OrderedDictionary's own form is an array of alternating names and values.
        guard case .object(let members) = value else { throw value.mismatch("an object") }
        if let result = members as? T { return result }
      }
      return try T(from: self)
    } catch let error as JSONError {
      throw path.locating(error)
    } catch let error as DecodingError {
      throw describe(error, decoding: type)
    }
  }

  /// What initializers of the standard library and of the type itself throw.
  private func describe(_ error: DecodingError, decoding type: any Decodable.Type) -> JSONError {
    let context: DecodingError.Context
    switch error {
    case .typeMismatch(_, let its), .valueNotFound(_, let its), .dataCorrupted(let its):
      context = its
    case .keyNotFound(let key, let its):
      return JSONError("missing", path: (its.codingPath + [key]).jsonPath)
    @unknown default: return path.error("cannot be read: \(error)")
    }
    let choices = (type as? any CaseIterable.Type)?.rawValues ?? []
    let message =
      choices.isEmpty
      ? context.debugDescription
      : value.mismatch("one of " + choices.joined(separator: ", ")).message
    return JSONError(message, path: context.codingPath.jsonPath)
  }
}

extension CaseIterable {
  /// The values that an enum with raw values can be made from, as JSON; empty for other types.
  fileprivate static var rawValues: [String] {
    allCases.compactMap { item in
      guard let item = item as? any RawRepresentable else { return nil }
      return (item.rawValue as? any JSONPrimitive)?.json?.description
    }
  }
}

private struct SingleValueReader: SingleValueDecodingContainer {
  let decoder: ValueDecoder

  var codingPath: [any CodingKey] { decoder.codingPath }
  func decodeNil() -> Bool { decoder.value.isNull }
  func decode<T: Decodable>(_ type: T.Type) throws -> T { try decoder.decode(type) }
}

private struct MemberReader<Key: CodingKey>: KeyedDecodingContainerProtocol {
  let members: JSONObject
  let path: CodingPath

  var codingPath: [any CodingKey] { path.keys }
  var allKeys: [Key] { members.keys.compactMap { Key(stringValue: $0) } }
  func contains(_ key: Key) -> Bool { members[key.stringValue] != nil }

  private func member(_ key: any CodingKey) throws -> ValueDecoder {
    let path = path.appending(NameKey(key.stringValue))
    guard let value = members[key.stringValue] else { throw path.error("missing") }
    return ValueDecoder(value: value, path: path)
  }

  func decodeNil(forKey key: Key) throws -> Bool { try member(key).value.isNull }

  func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
    try member(key).decode(type)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) throws -> KeyedDecodingContainer<Nested> {
    try member(key).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
    try member(key).unkeyedContainer()
  }

  func superDecoder() throws -> any Decoder { try member(NameKey("super")) }
  func superDecoder(forKey key: Key) throws -> any Decoder { try member(key) }
}

private struct ElementReader: UnkeyedDecodingContainer {
  let elements: [JSONValue]
  let path: CodingPath
  private(set) var currentIndex = 0

  init(elements: [JSONValue], path: CodingPath) {
    self.elements = elements
    self.path = path
  }

  var codingPath: [any CodingKey] { path.keys }
  var count: Int? { elements.count }
  var isAtEnd: Bool { currentIndex >= elements.count }

  private func current() throws -> ValueDecoder {
    let path = path.appending(IndexKey(currentIndex))
    guard !isAtEnd else { throw path.error("missing: the array ends before it") }
    return ValueDecoder(value: elements[currentIndex], path: path)
  }

  /// Moves on only where the element could be read, as Codable demands.
  private mutating func take<Result>(_ read: (ValueDecoder) throws -> Result) throws -> Result {
    let result = try read(current())
    currentIndex += 1
    return result
  }

  mutating func decodeNil() throws -> Bool {
    let isNull = try current().value.isNull
    if isNull { currentIndex += 1 }
    return isNull
  }

  mutating func decode<T: Decodable>(_ type: T.Type) throws -> T {
    try take { try $0.decode(type) }
  }

  mutating func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) throws -> KeyedDecodingContainer<Nested> {
    try take { try $0.container(keyedBy: type) }
  }

  mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer {
    try take { try $0.unkeyedContainer() }
  }

  mutating func superDecoder() throws -> any Decoder { try take { $0 } }
}

// Encodable types to JSON, members in the order in which they are encoded; nil optionals are
// left out unless encoded explicitly, JSONValue and JSONObject members are written as they are.
// Refuses doubles that are not finite and integers beyond Int64, naming the place.

import OrderedCollections

package struct JSONWriter: Sendable {
  private let pretty: Bool

  package init(pretty: Bool = false) { self.pretty = pretty }

  package func encode(_ value: some Encodable) throws -> [UInt8] {
    try encodeValue(value).serialized(pretty: pretty)
  }

  /// The value before it becomes text.
  package func encodeValue(_ value: some Encodable) throws -> JSONValue {
    try EncodingSlot.value(of: value, at: .root)
  }
}

/// A place in the value that is being built.
final class EncodingSlot {
  enum Content {
    case value(JSONValue)
    case array([EncodingSlot])
    case object(OrderedDictionary<String, EncodingSlot>)
  }

  var content: Content?

  /// Asking for a container twice continues the first one, as Codable demands.
  func becomeArray() {
    if case .array = content { return }
    content = .array([])
  }

  func becomeObject() {
    if case .object = content { return }
    content = .object([:])
  }

  var count: Int {
    if case .array(let elements) = content { elements.count } else { 0 }
  }

  func append(_ slot: EncodingSlot) {
    guard case .array(var elements) = content else { return }
    content = nil  // so that appending need not copy
    elements.append(slot)
    content = .array(elements)
  }

  func set(_ slot: EncodingSlot, for name: String) {
    guard case .object(var members) = content else { return }
    content = nil  // so that inserting need not copy
    members[name] = slot
    content = .object(members)
  }

  /// A type that encodes nothing is an empty object.
  var value: JSONValue {
    switch content {
    case .value(let value): value
    case .array(let elements): .array(elements.map(\.value))
    case .object(let members): .object(members.mapValues(\.value))
    case nil: .object([:])
    }
  }

  static func value<T: Encodable>(of value: T, at path: @autoclosure () -> CodingPath)
    throws -> JSONValue
  {
    if let verbatim = value as? JSONValue { return verbatim }
    if let members = value as? JSONObject { return .object(members) }
    if let primitive = value as? any JSONPrimitive {
      guard let json = primitive.json else {
        throw path().error("\(primitive) cannot be written as JSON")
      }
      return json
    }
    let slot = EncodingSlot()
    do {
      try value.encode(to: SlotEncoder(slot: slot, path: path()))
    } catch let error as EncodingError {
      guard case .invalidValue(_, let context) = error else { throw error }
      throw JSONError(context.debugDescription, path: context.codingPath.jsonPath)
    }
    return slot.value
  }
}

private struct SlotEncoder: Encoder {
  let slot: EncodingSlot
  let path: CodingPath

  var codingPath: [any CodingKey] { path.keys }
  var userInfo: [CodingUserInfoKey: Any] { [:] }

  func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
    slot.becomeObject()
    return KeyedEncodingContainer(MemberWriter(slot: slot, path: path))
  }

  func unkeyedContainer() -> any UnkeyedEncodingContainer {
    slot.becomeArray()
    return ElementWriter(slot: slot, path: path)
  }

  func singleValueContainer() -> any SingleValueEncodingContainer {
    SingleValueWriter(slot: slot, path: path)
  }
}

private struct SingleValueWriter: SingleValueEncodingContainer {
  let slot: EncodingSlot
  let path: CodingPath

  var codingPath: [any CodingKey] { path.keys }
  func encodeNil() { slot.content = .value(.null) }

  func encode<T: Encodable>(_ value: T) throws {
    slot.content = .value(try EncodingSlot.value(of: value, at: path))
  }
}

private struct MemberWriter<Key: CodingKey>: KeyedEncodingContainerProtocol {
  let slot: EncodingSlot
  let path: CodingPath

  var codingPath: [any CodingKey] { path.keys }

  private func member(_ name: String) -> SlotEncoder {
    let member = EncodingSlot()
    slot.set(member, for: name)
    return SlotEncoder(slot: member, path: path.appending(NameKey(name)))
  }

  func encodeNil(forKey key: Key) { member(key.stringValue).slot.content = .value(.null) }

  func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
    let name = key.stringValue
    let value = try EncodingSlot.value(of: value, at: path.appending(NameKey(name)))
    member(name).slot.content = .value(value)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type, forKey key: Key
  ) -> KeyedEncodingContainer<Nested> {
    member(key.stringValue).container(keyedBy: type)
  }

  func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
    member(key.stringValue).unkeyedContainer()
  }

  func superEncoder() -> any Encoder { member("super") }
  func superEncoder(forKey key: Key) -> any Encoder { member(key.stringValue) }
}

private struct ElementWriter: UnkeyedEncodingContainer {
  let slot: EncodingSlot
  let path: CodingPath

  var codingPath: [any CodingKey] { path.keys }
  var count: Int { slot.count }

  private func element() -> SlotEncoder {
    let element = EncodingSlot()
    let place = path.appending(IndexKey(slot.count))
    slot.append(element)
    return SlotEncoder(slot: element, path: place)
  }

  func encodeNil() { element().slot.content = .value(.null) }

  func encode<T: Encodable>(_ value: T) throws {
    let value = try EncodingSlot.value(of: value, at: path.appending(IndexKey(slot.count)))
    element().slot.content = .value(value)
  }

  func nestedContainer<Nested: CodingKey>(
    keyedBy type: Nested.Type
  ) -> KeyedEncodingContainer<Nested> {
    element().container(keyedBy: type)
  }

  func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer { element().unkeyedContainer() }
  func superEncoder() -> any Encoder { element() }
}

// JSONValue as a member of Codable types. With this module's reader and writer it passes through
// untouched; with any other it is taken apart and put together, losing nothing but the order of
// members where that coder has none.

extension JSONValue: Codable {
  package init(from decoder: any Decoder) throws {
    if let decoder = decoder as? ValueDecoder {
      self = decoder.value
    } else if let members = try? decoder.container(keyedBy: NameKey.self) {
      var object: [(String, JSONValue)] = []
      for key in members.allKeys {
        object.append((key.name, try members.decode(JSONValue.self, forKey: key)))
      }
      self = .object(JSONObject(object, uniquingKeysWith: { _, last in last }))
    } else if var elements = try? decoder.unkeyedContainer() {
      var array: [JSONValue] = []
      while !elements.isAtEnd { array.append(try elements.decode(JSONValue.self)) }
      self = .array(array)
    } else {
      try self.init(single: decoder.singleValueContainer())
    }
  }

  private init(single: any SingleValueDecodingContainer) throws {
    if single.decodeNil() {
      self = .null
    } else if let value = try? single.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? single.decode(Int64.self) {
      self = .integer(value)
    } else if let value = try? single.decode(Double.self) {
      self = .double(value)
    } else {
      self = .string(try single.decode(String.self))
    }
  }

  package func encode(to encoder: any Encoder) throws {
    switch self {
    case .object(let members):
      var container = encoder.container(keyedBy: NameKey.self)
      for (name, value) in members { try container.encode(value, forKey: NameKey(name)) }
    case .array(let elements):
      var container = encoder.unkeyedContainer()
      for element in elements { try container.encode(element) }
    case .null:
      var container = encoder.singleValueContainer()
      try container.encodeNil()
    case .bool(let value): try encode(value, to: encoder)
    case .integer(let value): try encode(value, to: encoder)
    case .double(let value): try encode(value, to: encoder)
    case .string(let value): try encode(value, to: encoder)
    }
  }

  private func encode(_ value: some Encodable, to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(value)
  }
}

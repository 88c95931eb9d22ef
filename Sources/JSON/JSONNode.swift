// A cursor on one value of a JSONDocument. Members and elements are walked without decoding
// what is not asked for. Unlike in JSONValue, names are compared byte by byte and the members of
// an object are all there, repeated ones and canonically equivalent ones included.

package struct JSONNode: Sendable {
  package enum Kind: Sendable { case null, bool, number, string, array, object }

  let storage: JSONDocument.Storage
  /// Where the value's entry stands on the tape.
  let index: Int

  private var entry: TapeEntry { storage.tape[index] }
  private var text: ArraySlice<UInt8> { storage.bytes[Int(entry.start)..<Int(entry.end)] }

  package var kind: Kind {
    switch entry.kind {
    case .null: .null
    case .true, .false: .bool
    case .integer, .double: .number
    case .plainString, .escapedString: .string
    case .array: .array
    case .object: .object
    }
  }

  package var isNull: Bool { entry.kind == .null }

  package var bool: Bool? {
    switch entry.kind {
    case .true: true
    case .false: false
    default: nil
    }
  }

  /// Integers, and doubles without a fraction such as 3.0.
  package var int: Int? {
    switch entry.kind {
    case .integer: decodeInteger(text).flatMap { Int(exactly: $0) }
    case .double: Int(exactly: decodeDouble(text))
    default: nil
    }
  }

  /// Any number.
  package var double: Double? {
    switch entry.kind {
    case .integer, .double: decodeDouble(text)
    default: nil
    }
  }

  package var string: String? {
    switch entry.kind {
    case .plainString: String(decoding: text, as: UTF8.self)
    case .escapedString: String(decoding: decodeEscapes(text), as: UTF8.self)
    default: nil
    }
  }

  /// Elements of an array, members of an object (repeated names included); else 0.
  package var count: Int {
    switch entry.kind {
    case .array, .object: Int(entry.end)
    default: 0
    }
  }

  /// An error about this value, with its place in the document.
  package func error(_ message: String) -> JSONError {
    JSONError(message, at: Int(entry.start), in: storage.bytes)
  }
}

extension JSONNode {
  /// The last member of that name; nil where this is no object or has none.
  package subscript(key: String) -> JSONNode? { lastMember { $0.isNamed(key) } }

  /// The member as JSONValue finds it: canonically equivalent names are one.
  package func member(_ name: String) -> JSONNode? {
    let isPlain = name.utf8.allSatisfy { $0 < 0x80 }
    return lastMember { own in
      own.isNamed(name) || !(isPlain && own.isPlainASCII) && own.string == name
    }
  }

  private func lastMember(where isWanted: (_ name: JSONNode) -> Bool) -> JSONNode? {
    guard entry.kind == .object else { return nil }
    var found: JSONNode?
    var position = index + 1
    for _ in 0..<count {
      let name = JSONNode(storage: storage, index: position)
      if isWanted(name) { found = JSONNode(storage: storage, index: position + 1) }
      position = Int(storage.tape[position + 1].next)
    }
    return found
  }

  /// An element; nil where this is no array or a shorter one. Takes time in proportion to the offset.
  package subscript(offset: Int) -> JSONNode? {
    guard entry.kind == .array, offset >= 0, offset < count else { return nil }
    var position = index + 1
    for _ in 0..<offset { position = Int(storage.tape[position].next) }
    return JSONNode(storage: storage, index: position)
  }

  /// All members in the order of the document; none where this is no object.
  package func forEachMember<E: Error>(_ body: (String, JSONNode) throws(E) -> Void) throws(E) {
    guard entry.kind == .object else { return }
    var position = index + 1
    for _ in 0..<count {
      let name = JSONNode(storage: storage, index: position)
      try body(name.string ?? "", JSONNode(storage: storage, index: position + 1))
      position = Int(storage.tape[position + 1].next)
    }
  }

  /// All elements in the order of the document; none where this is no array.
  package func forEachElement<E: Error>(_ body: (JSONNode) throws(E) -> Void) throws(E) {
    guard entry.kind == .array else { return }
    var position = index + 1
    for _ in 0..<count {
      try body(JSONNode(storage: storage, index: position))
      position = Int(storage.tape[position].next)
    }
  }

  /// The value with everything inside it; of members with the same name the last one wins.
  package var value: JSONValue {
    switch entry.kind {
    case .null: return .null
    case .true: return .bool(true)
    case .false: return .bool(false)
    case .integer: return .integer(decodeInteger(text) ?? 0)
    case .double: return .double(decodeDouble(text))
    case .plainString, .escapedString: return .string(string ?? "")
    case .array:
      var elements: [JSONValue] = []
      elements.reserveCapacity(count)
      forEachElement { elements.append($0.value) }
      return .array(elements)
    case .object:
      var members = JSONObject(minimumCapacity: count)
      forEachMember { members[$0] = $1.value }
      return .object(members)
    }
  }

  /// Whether the text is a string of ASCII without escapes, which only itself is equivalent to among such.
  private var isPlainASCII: Bool {
    entry.kind == .plainString && text.allSatisfy { $0 < 0x80 }
  }

  private func isNamed(_ key: String) -> Bool {
    if entry.kind == .plainString { return text.elementsEqual(key.utf8) }
    return decodeEscapes(text).elementsEqual(key.utf8)
  }
}

/// The text of a string whose escapes have been checked.
private func decodeEscapes(_ text: ArraySlice<UInt8>) -> [UInt8] {
  var output: [UInt8] = []
  output.reserveCapacity(text.count)
  var units: [UInt16] = []
  var rest = text
  while let byte = rest.popFirst() {
    guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
      output.append(byte)
      continue
    }
    switch escape {
    case UInt8(ascii: "b"): output.append(0x08)
    case UInt8(ascii: "f"): output.append(0x0C)
    case UInt8(ascii: "n"): output.append(0x0A)
    case UInt8(ascii: "r"): output.append(0x0D)
    case UInt8(ascii: "t"): output.append(0x09)
    case UInt8(ascii: "u"):
      let unit = rest.prefix(4).reduce(UInt16(0)) { $0 << 4 | (hexadecimalDigit($1) ?? 0) }
      rest = rest.dropFirst(4)
      units.append(unit)
      if UTF16.isLeadSurrogate(unit) { continue }
      output.append(contentsOf: String(decoding: units, as: UTF16.self).utf8)
      units.removeAll(keepingCapacity: true)
    default: output.append(escape)
    }
  }
  return output
}

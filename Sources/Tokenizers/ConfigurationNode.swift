// One place in a tokenizer's JSON file together with the file's name and the path that leads there,
// so that every complaint says where it is. Refuses wrong types, missing keys and unknown keys.

import JSON

struct ConfigurationNode {
  let node: JSONNode
  let file: String
  /// Such as `normalizer.normalizers[1]`; empty at the root.
  let path: String

  init(node: JSONNode, file: String, path: String) {
    (self.node, self.file, self.path) = (node, file, path)
  }

  /// A value that was made from a file of another form.
  init(_ value: JSONValue, file: String, path: String) throws(TokenizerError) {
    do {
      self.init(node: try JSONDocument(parsing: value.serialized()).root, file: file, path: path)
    } catch {
      throw .malformed(file: file, key: path, reason: "\(error)")
    }
  }

  func malformed(_ reason: String) -> TokenizerError {
    .malformed(file: file, key: path, reason: reason)
  }

  var unsupported: TokenizerError {
    .unsupported(file: file, key: path, value: "the value \(shortValue)")
  }

  private var shortValue: String {
    let text = node.value.description
    return text.count > 200 ? text.prefix(200) + "..." : text
  }

  // MARK: - Members

  /// The member, nil when it is absent or null.
  func optional(_ key: String) throws(TokenizerError) -> ConfigurationNode? {
    guard node.kind == .object else { throw malformed("expected an object, found \(shortValue)") }
    guard let member = node[key], member.kind != .null else { return nil }
    return ConfigurationNode(node: member, file: file, path: path(to: key))
  }

  private func path(to key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  func required(_ key: String) throws(TokenizerError) -> ConfigurationNode {
    guard let member = try optional(key) else { throw malformed("the key \"\(key)\" is missing") }
    return member
  }

  func members() throws(TokenizerError) -> [(key: String, node: ConfigurationNode)] {
    guard node.kind == .object else { throw malformed("expected an object, found \(shortValue)") }
    var members: [(key: String, node: ConfigurationNode)] = []
    members.reserveCapacity(node.count)
    node.forEachMember { key, member in
      members.append((key, ConfigurationNode(node: member, file: file, path: self.path(to: key))))
    }
    return members
  }

  func elements() throws(TokenizerError) -> [ConfigurationNode] {
    guard node.kind == .array else { throw malformed("expected an array, found \(shortValue)") }
    var elements: [ConfigurationNode] = []
    elements.reserveCapacity(node.count)
    node.forEachElement { element in
      elements.append(
        ConfigurationNode(node: element, file: file, path: "\(path)[\(elements.count)]"))
    }
    return elements
  }

  /// Refuses members other than `keys`: an unknown setting may change the ids.
  func allow(_ keys: Set<String>) throws(TokenizerError) {
    for (key, member) in try members() where !keys.contains(key) { throw member.unsupported }
  }

  // MARK: - Values

  func string() throws(TokenizerError) -> String {
    guard let value = node.string else { throw malformed("expected text, found \(shortValue)") }
    return value
  }

  /// Text of exactly one scalar.
  func scalar() throws(TokenizerError) -> [UInt8] {
    let value = try string()
    guard value.unicodeScalars.count == 1 else {
      throw malformed("expected one character, found \(shortValue)")
    }
    return Array(value.utf8)
  }

  func bool() throws(TokenizerError) -> Bool {
    guard let value = node.bool else {
      throw malformed("expected true or false, found \(shortValue)")
    }
    return value
  }

  /// A whole number that is not negative.
  func count() throws(TokenizerError) -> Int {
    guard let value = node.int, value >= 0 else {
      throw malformed("expected a whole number of at least 0, found \(shortValue)")
    }
    return value
  }

  func tokenID() throws(TokenizerError) -> Int32 {
    guard let value = node.int, (0..<Vocabulary.maximumID).contains(value) else {
      throw malformed(
        "expected a token id from 0 to \(Vocabulary.maximumID - 1), found \(shortValue)")
    }
    return Int32(truncatingIfNeeded: value)
  }

  func bool(_ key: String, default value: Bool) throws(TokenizerError) -> Bool {
    try optional(key)?.bool() ?? value
  }

  /// The member `type` that names a component.
  func type() throws(TokenizerError) -> String { try required("type").string() }
}

extension Optional {
  /// `map` with a typed error.
  func map<T, E: Error>(orThrow transform: (Wrapped) throws(E) -> T) throws(E) -> T? {
    guard let self else { return nil }
    return try transform(self)
  }
}

// A JSON file of a model's directory, read key by key with every value checked where it is read:
// present, of the right type, within sane limits. Relies on the JSON target for syntax; refuses
// with the file's path and the key's. A value of null counts as absent, as in transformers.

import Glibc
package import JSON

package struct ConfigurationFile: Sendable {
  package let path: String
  package let root: JSONObject
  /// In front of keys in messages, for objects within the file.
  private let prefix: String
  /// What messages call keys that have other names in the file.
  private let keyNames: [String: String]

  /// No configuration of a model comes near this.
  private static let maximumBytes = 64 << 20

  package init(path: String, remedy: String) throws(ModelError) {
    let value = try Self.value(path: path, remedy: remedy)
    guard let root = value.object else {
      throw .malformedConfiguration(path: path, key: "", reason: "it must hold an object")
    }
    self.init(path: path, root: root)
  }

  package init(
    path: String, root: JSONObject, prefix: String = "", keyNames: [String: String] = [:]
  ) {
    self.path = path
    self.root = root
    self.prefix = prefix
    self.keyNames = keyNames
  }

  /// Any JSON value in a file.
  package static func value(path: String, remedy: String) throws(ModelError) -> JSONValue {
    let file = try MappedFile(path: path, remedy: remedy)
    guard file.byteCount <= maximumBytes else {
      throw .malformedConfiguration(
        path: path, key: "", reason: "it has \(file.byteCount) bytes, more than any configuration")
    }
    do throws(JSONError) {
      return try JSONValue(parsing: file.withBytes { Array($0) })
    } catch {
      throw .malformedConfiguration(path: path, key: "", reason: "it is not JSON: \(error)")
    }
  }

  /// The same with keys that go by other names here; messages keep those of the file.
  package func renaming(_ names: [String: String]) -> ConfigurationFile {
    var (root, shown) = (root, keyNames)
    for (theirs, ours) in names {
      guard let value = root[theirs] else { continue }
      root[ours] = value
      shown[ours] = theirs
    }
    return ConfigurationFile(path: path, root: root, prefix: prefix, keyNames: shown)
  }

  package func refusal(_ key: String, _ reason: String) -> ModelError {
    .malformedConfiguration(path: path, key: prefix + (keyNames[key] ?? key), reason: reason)
  }

  package func unsupported(_ key: String, _ value: String, supported: [String]) -> ModelError {
    .unsupportedOption(
      path: path, key: prefix + (keyNames[key] ?? key), value: value, supported: supported)
  }

  /// The value under a key; nil where it is absent or null.
  package subscript(key: String) -> JSONValue? {
    guard let value = root[key], !value.isNull else { return nil }
    return value
  }

  package func object(_ key: String) throws(ModelError) -> ConfigurationFile? {
    guard let value = self[key] else { return nil }
    guard let members = value.object else { throw refusal(key, "it must be an object") }
    return ConfigurationFile(path: path, root: members, prefix: prefix + key + ".")
  }

  package func integer(_ key: String, in limits: ClosedRange<Int>) throws(ModelError) -> Int? {
    guard let value = self[key] else { return nil }
    guard let number = value.int else { throw refusal(key, "\(shown(value)) is not an integer") }
    guard limits.contains(number) else {
      throw refusal(
        key, "\(number) is not between \(limits.lowerBound) and \(limits.upperBound)")
    }
    return number
  }

  package func requiredInteger(_ key: String, in limits: ClosedRange<Int>) throws(ModelError) -> Int
  {
    guard let number = try integer(key, in: limits) else { throw refusal(key, "it is missing") }
    return number
  }

  package func float(_ key: String, in limits: ClosedRange<Float>) throws(ModelError) -> Float? {
    guard let value = self[key] else { return nil }
    guard let number = value.double else { throw refusal(key, "\(shown(value)) is not a number") }
    guard limits.contains(Float(number)) else {
      throw refusal(
        key, "\(number) is not between \(limits.lowerBound) and \(limits.upperBound)")
    }
    return Float(number)
  }

  package func bool(_ key: String) throws(ModelError) -> Bool? {
    guard let value = self[key] else { return nil }
    guard let bool = value.bool else { throw refusal(key, "\(shown(value)) is not true or false") }
    return bool
  }

  package func string(_ key: String) throws(ModelError) -> String? {
    guard let value = self[key] else { return nil }
    guard let string = value.string else { throw refusal(key, "\(shown(value)) is not a string") }
    return string
  }

  /// Token ids: one, a list, or none.
  package func tokenIDs(_ key: String) throws(ModelError) -> [Int32]? {
    guard let value = self[key] else { return nil }
    var ids: [Int32] = []
    for element in value.array ?? [value] {
      guard let id = element.int.flatMap({ Int32(exactly: $0) }), id >= 0 else {
        throw refusal(key, "\(shown(element)) is not a token id")
      }
      ids.append(id)
    }
    return ids
  }

  /// Refuses every value of a key but one, which is also what an absent key stands for.
  package func require(_ key: String, _ only: String) throws(ModelError) {
    let value = try string(key) ?? only
    guard value == only else { throw unsupported(key, value, supported: [only]) }
  }

  package func require(_ key: String, _ only: Bool) throws(ModelError) {
    let value = try bool(key) ?? only
    guard value == only else { throw unsupported(key, "\(value)", supported: ["\(only)"]) }
  }

  /// A value as an error shows it: never more than a few words of an outside file.
  private func shown(_ value: JSONValue) -> String {
    let text = value.description
    return text.count <= 40 ? text : text.prefix(40) + "..."
  }
}

/// Whether a path leads to a file of any kind.
package func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

/// Whether a path leads to a directory.
package func directoryExists(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// What a directory holds, sorted; nothing where it can't be read.
package func fileNames(in directory: String) -> [String] {
  guard let stream = opendir(directory) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names.sorted()
}

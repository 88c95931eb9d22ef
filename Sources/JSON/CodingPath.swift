// Where in a document a container stands: a linked list, so that going down one level costs one
// small allocation and the text is made only for errors.

indirect enum CodingPath {
  case root
  case child(any CodingKey, of: CodingPath)

  func appending(_ key: any CodingKey) -> CodingPath { .child(key, of: self) }

  var keys: [any CodingKey] {
    var keys: [any CodingKey] = []
    var place = self
    while case .child(let key, let parent) = place {
      keys.append(key)
      place = parent
    }
    return keys.reversed()
  }

  func error(_ message: String) -> JSONError { JSONError(message, path: keys.jsonPath) }

  /// The same error at this place, unless it names a place already.
  func locating(_ error: JSONError) -> JSONError {
    guard error.path.isEmpty, error.line == 0 else { return error }
    return self.error(error.message)
  }
}

extension [any CodingKey] {
  /// `messages[2].role`, with names that are no identifiers in brackets and quotes.
  var jsonPath: String {
    var path = ""
    for key in self {
      if let index = key.intValue {
        path += "[\(index)]"
      } else if key.stringValue.isPlainName {
        path += (path.isEmpty ? "" : ".") + key.stringValue
      } else {
        path += "[\(JSONValue.string(key.stringValue).summary)]"
      }
    }
    return path
  }
}

extension String {
  fileprivate var isPlainName: Bool {
    !isEmpty
      && utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }
}

/// The key of an array's element.
struct IndexKey: CodingKey {
  let index: Int

  init(_ index: Int) { self.index = index }
  init?(intValue: Int) { index = intValue }
  init?(stringValue: String) { nil }

  var intValue: Int? { index }
  var stringValue: String { String(index) }
}

/// The key of any member.
struct NameKey: CodingKey {
  let name: String

  init(_ name: String) { self.name = name }
  init(intValue: Int) { name = String(intValue) }
  init(stringValue: String) { name = stringValue }

  var intValue: Int? { nil }
  var stringValue: String { name }
}

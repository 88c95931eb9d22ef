// Which fields of a record are a document's text, which its metadata and which its id: for rows of
// tables, JSON objects and rows of databases alike. A name may be a path into objects ("a.b").
// Refuses records that lack a field that the map names, naming those that are there.

package import JSON

package struct FieldMap: Sendable, Hashable {
  /// Not empty. Several become lines "name: value".
  package var text: [String]
  /// nil: all fields that are neither text nor id.
  package var metadata: [String]?
  /// nil: the source's id with `#` and the record's number.
  package var id: String?

  package init(text: [String], metadata: [String]? = nil, id: String? = nil) {
    self.text = text
    self.metadata = metadata
    self.id = id
  }

  /// - Parameters:
  ///   - index: of the document in its batch, from 0
  ///   - source: whose id and metadata the document builds on
  package func document(from record: JSONObject, index: Int, _ source: DocumentSource)
    throws(DocumentError) -> DocumentInput
  {
    func value(_ name: String) throws(DocumentError) -> JSONValue {
      if let value = Self.value(at: name, in: record) { return value }
      let known = record.keys.prefix(20).joined(separator: ", ")
      throw .invalidDocument(
        index: index, id: nil, message: "there is no field \"\(name)\" among \(known)")
    }
    var lines: [String] = []
    for name in text {
      let text = Self.text(of: try value(name))
      if self.text.count == 1 {
        lines.append(text)
      } else if !text.isEmpty {
        lines.append("\(name): \(text)")
      }
    }
    var metadata = source.metadata
    if let names = self.metadata {
      for name in names { metadata[name] = try value(name) }
    } else {
      for (name, value) in record where !text.contains(name) && name != id && !value.isNull {
        metadata[name] = value
      }
    }
    var id = source.id.map { "\($0)#\(index + 1)" }
    if let name = self.id {
      id = Self.text(of: try value(name))
      if id?.isEmpty ?? true {
        throw .invalidDocument(index: index, id: nil, message: "its field \"\(name)\" is empty")
      }
    }
    return DocumentInput(id: id, text: lines.joined(separator: "\n"), metadata: metadata)
  }

  /// A member of that name, else what the path leads to.
  private static func value(at name: String, in record: JSONObject) -> JSONValue? {
    if let value = record[name] { return value }
    var value = JSONValue.object(record)
    for step in name.split(separator: ".") {
      guard let next = value[String(step)] else { return nil }
      value = next
    }
    return value
  }

  private static func text(of value: JSONValue) -> String {
    switch value {
    case .null: ""
    case .string(let string): string
    default: value.description
    }
  }
}

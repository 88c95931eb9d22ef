// A document on its way into the store: checked, hashed, then cut into chunks, then embedded.
// Refuses ids that can't be used in a URL path or a log line.

import JSON

struct PreparedChunk: Sendable {
  var range: Range<Int>
  var text: String
  var vector: [Float] = []
  var truncated = false
}

struct PreparedDocument: Sendable {
  let name: String
  let text: String
  let metadata: JSONObject
  let hash: ContentHash
  let scalarCount: Int
  var chunks: [PreparedChunk] = []
  /// Whether `chunks` says anything: a text without words has none.
  private(set) var isCut = false

  static let maximumNameByteCount = 512

  var metadataText: String { JSONValue.object(metadata).description }

  init(_ input: DocumentInput, index: Int) throws(RetrievalError) {
    hash = ContentHash(text: input.text, metadata: input.metadata)
    name = input.id ?? Array(hash.text.prefix(16)).hexadecimal
    text = input.text
    metadata = input.metadata
    scalarCount = input.text.unicodeScalars.count
    guard (1...Self.maximumNameByteCount).contains(name.utf8.count),
      name.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
    else {
      throw .invalidDocument(
        index: index, id: input.id,
        message: """
          an id has 1 to \(Self.maximumNameByteCount) bytes and no control characters
          """)
    }
  }

  /// All documents of a batch, checked; the first bad one is named.
  static func batch(_ inputs: [DocumentInput]) throws(RetrievalError) -> [PreparedDocument] {
    var positions: [String: Int] = [:]
    var documents: [PreparedDocument] = []
    for (index, input) in inputs.enumerated() {
      let document = try PreparedDocument(input, index: index)
      if let first = positions.updateValue(index, forKey: document.name) {
        throw .invalidDocument(
          index: index, id: document.name,
          message: "document \(first) of the same batch has the same id")
      }
      documents.append(document)
    }
    return documents
  }

  mutating func cut(with chunker: any Chunker) {
    isCut = true
    let scalars = ScalarText(text)
    chunks = chunker.chunks(of: scalars).map { range in
      PreparedChunk(range: range, text: scalars.string(range))
    }
  }
}

// A document on its way into the store: checked, hashed, then cut into chunks, then embedded.
// Refuses ids that can't be used in a URL path or a log line.

import Documents
import JSON

struct PreparedChunk: Sendable {
  var range: Range<Int>
  var text: String
  /// From 1; nil where the document has no pages.
  var page: Int?
  /// The path of headings above it.
  var heading: String?
  var vector: [Float] = []
  var truncated = false
}

/// What the embedding model made of a text before.
struct KnownVector: Sendable {
  var values: [Float]
  var truncated: Bool
}

typealias KnownVectors = [String: KnownVector]

struct PreparedDocument: Sendable {
  let name: String
  let text: String
  let metadata: JSONObject
  let source: String?
  let hash: ContentHash
  let scalarCount: Int
  var chunks: [PreparedChunk] = []
  /// Whether `chunks` says anything: a text without words has none.
  private(set) var isCut = false

  static let maximumNameByteCount = 512
  static let maximumSourceByteCount = 2048

  var metadataText: String { JSONValue.object(metadata).description }

  init(_ input: DocumentInput, index: Int) throws(DocumentError) {
    hash = ContentHash(text: input.text, metadata: input.metadata)
    name = input.id ?? Array(hash.text.prefix(16)).hexadecimal
    text = input.text
    metadata = input.metadata
    source = input.source
    scalarCount = input.text.unicodeScalars.count
    guard (1...Self.maximumNameByteCount).contains(name.utf8.count),
      !name.hasControlCharacters
    else {
      throw .invalidDocument(
        index: index, id: input.id,
        message: """
          an id has 1 to \(Self.maximumNameByteCount) bytes and no control characters
          """)
    }
    guard (1...Self.maximumSourceByteCount).contains(source?.utf8.count ?? 1),
      !(source?.hasControlCharacters ?? false)
    else {
      throw .invalidDocument(
        index: index, id: input.id,
        message: """
          a source has 1 to \(Self.maximumSourceByteCount) bytes and no control characters
          """)
    }
  }

  /// All documents of a batch, checked; the first bad one is named.
  static func batch(_ inputs: [DocumentInput]) throws(DocumentError) -> [PreparedDocument] {
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

  /// What the document was made from, as its metadata say.
  var format: String? { metadata[ExtractedFormat.key]?.string }

  /// Takes over chunks, as ranges of the text.
  mutating func cut(_ text: ScalarText, at ranges: [Range<Int>], _ strategy: ChunkingStrategy) {
    isCut = true
    let places = ChunkPlaces(text, format: format, strategy: strategy)
    chunks = ranges.map { range in
      PreparedChunk(
        range: range, text: text.string(range), page: places.page(of: range),
        heading: places.heading(of: range))
    }
  }

  /// Gives chunks whose text was embedded before the same vectors again.
  mutating func reuse(_ known: KnownVectors) {
    for index in chunks.indices {
      guard let vector = known[chunks[index].text] else { continue }
      chunks[index].vector = vector.values
      chunks[index].truncated = vector.truncated
    }
  }
}

extension String {
  var hasControlCharacters: Bool {
    unicodeScalars.contains { $0.properties.generalCategory == .control }
  }
}

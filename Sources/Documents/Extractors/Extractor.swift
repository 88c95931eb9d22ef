// From bytes to documents: what an extractor is, what it gets, and the limits that hold for all of
// them. Extractors block and compute, some run other programs: callers keep them off Swift's
// cooperative pool.

package import JSON

/// Bytes with what is known about them apart from their contents.
package struct DocumentSource: Sendable {
  package var bytes: [UInt8]
  /// A Content-Type header's value.
  package var contentType: String?
  /// Its ending tells the format where the content type doesn't.
  package var fileName: String?
  /// For formats that hold one document without an id of its own.
  package var id: String?
  /// Goes to every document that comes of it; the document's own fields win.
  package var metadata: JSONObject
  /// Which fields of a record are text, for formats that hold records.
  package var fields: FieldMap?
  /// The encoding, where somebody said it.
  package var charset: String?

  package init(
    bytes: [UInt8], contentType: String? = nil, fileName: String? = nil, id: String? = nil,
    metadata: JSONObject = [:], fields: FieldMap? = nil, charset: String? = nil
  ) {
    self.bytes = bytes
    self.contentType = contentType
    self.fileName = fileName
    self.id = id
    self.metadata = metadata
    self.fields = fields
    self.charset = charset
  }

  /// The source's one document. Its metadata say the format, by which chunkers know headings and
  /// programming languages.
  func document(_ text: String, format: String?, _ metadata: JSONObject = [:]) -> DocumentInput {
    var all: JSONObject = [:]
    if let format { all[ExtractedFormat.key] = .string(format) }
    all.merge(self.metadata) { _, new in new }
    all.merge(metadata) { _, new in new }
    return DocumentInput(id: id, text: text, metadata: all)
  }
}

/// What may come out of one source at most.
package struct ExtractionLimits: Sendable {
  /// Of all that is decompressed, members of members included.
  package var byteCount = 256 << 20
  package var memberCount = 10_000
  /// Archives within archives.
  package var depth = 3
  package var tool = ToolLimits()

  package init() {}
}

/// What has been used of the limits.
struct ExtractionContext {
  let limits: ExtractionLimits
  private(set) var remainingBytes: Int
  private(set) var remainingMembers: Int
  var depth = 0

  init(_ limits: ExtractionLimits) {
    self.limits = limits
    remainingBytes = limits.byteCount
    remainingMembers = limits.memberCount
  }

  /// The most that so many compressed bytes may become. What is written to be read rarely shrinks to
  /// less than a hundredth; a bomb does to a thousandth.
  func limit(compressed count: Int) -> Int { min(remainingBytes, max(1 << 20, count * 250)) }

  mutating func charge(bytes count: Int) throws(DocumentError) {
    guard count <= remainingBytes else {
      throw .documentTooLarge(
        message: "it decompresses to more than \(limits.byteCount >> 20) MiB")
    }
    remainingBytes -= count
  }

  mutating func chargeMember() throws(DocumentError) {
    guard remainingMembers > 0 else {
      throw .documentTooLarge(message: "it holds more than \(limits.memberCount) files")
    }
    remainingMembers -= 1
  }
}

protocol Extractor: Sendable {
  static var contentTypes: [String] { get }
  /// In lower case, without the dot.
  static var fileEndings: [String] { get }
  /// Whether the bytes can be nothing else; asked where neither type nor name says what they are.
  static func recognizes(_ bytes: [UInt8]) -> Bool
  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
}

extension Extractor {
  static func recognizes(_ bytes: [UInt8]) -> Bool { false }
}

/// The metadata member that says what a document was made from.
package enum ExtractedFormat {
  package static let key = "format"
  /// Formats whose text is Markdown, either from the start or as it was extracted.
  private static let withHeadings: Set<String> = ["markdown", "html", "docx", "odt", "epub"]

  /// Other formats that extractors write. Any other word is a user's own, such as a book's binding.
  private static let withoutHeadings = SourceCodeExtractor.formats.union(["csv", "tsv", "pdf"])

  /// Whether lines with number signs in front are headings; nil where nothing is known.
  static func hasHeadings(_ format: String?) -> Bool? {
    guard let format else { return nil }
    if withHeadings.contains(format) { return true }
    return withoutHeadings.contains(format) ? false : nil
  }
}

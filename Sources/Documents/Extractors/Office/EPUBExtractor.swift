// E-books (EPUB 2 and 3): their chapters in reading order (the package document's spine), each read as
// HTML, in one document. Books under digital rights management are refused.

import FoundationEssentials
import JSON

enum EPUBExtractor: Extractor {
  static let contentTypes = ["application/epub+zip"]
  static let fileEndings = ["epub"]

  static func recognizes(_ bytes: [UInt8]) -> Bool {
    guard let package = try? ZipPackage(bytes) else { return false }
    return package.has("META-INF/container.xml")
  }

  private struct Book {
    var title: String?
    var creator: String?
    /// Names of the chapters' files, relative to the package document.
    var chapters: [String] = []

    /// - Parameter root: of the package document
    init(_ root: MarkupNode) {
      title = root.descendants("title").first?.allText
      creator = root.descendants("creator").first?.allText
      var files: [String: String] = [:]
      for item in root.element("manifest")?.elements ?? [] {
        guard let id = item.attribute("id"), let file = item.attribute("href"),
          ["application/xhtml+xml", "text/html"].contains(item.attribute("media-type"))
        else { continue }
        files[id] = file
      }
      for reference in root.element("spine")?.elements ?? [] {
        guard let file = reference.attribute("idref").flatMap({ files[$0] }) else { continue }
        chapters.append(file)
      }
    }
  }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let package = try ZipPackage(source.bytes)
    guard !package.has("META-INF/rights.xml") else {
      throw .invalidRequest(field: "body", message: "its contents are locked (META-INF/rights.xml)")
    }
    guard let container = try package.part("META-INF/container.xml", &context),
      let path = try MarkupTree.withXML(
        container, subject: "its container.xml",
        { $0.descendants("rootfile").first?.attribute("full-path") }),
      let description = try package.part(path, &context)
    else {
      throw .invalidRequest(field: "body", message: "it is no e-book: it has no package document")
    }
    let book = try MarkupTree.withXML(description, subject: "its \(path)") { Book($0) }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    var chapters: [String] = []
    for name in book.chapters {
      guard let page = try package.part(resolve(name, in: folder), &context) else {
        throw .invalidRequest(field: "body", message: "its chapter \(name) is missing")
      }
      let text = try HTMLText(HTMLExtractor.decode(page, charset: nil)).text
      if !text.isEmpty { chapters.append(text) }
    }
    var metadata: JSONObject = [:]
    if let title = book.title { metadata["title"] = .string(title) }
    if let creator = book.creator { metadata["author"] = .string(creator) }
    return [source.document(chapters.joined(separator: "\n\n"), format: "epub", metadata)]
  }

  /// The name within the archive that a relative, percent-encoded reference means.
  private static func resolve(_ reference: String, in folder: String) -> String {
    let path = reference.prefix { $0 != "#" }
    var steps: [Substring] = []
    for step in (folder + (String(path).removingPercentEncoding ?? String(path))).split(
      separator: "/")
    {
      if step == ".." { _ = steps.popLast() } else if step != "." { steps.append(step) }
    }
    return steps.joined(separator: "/")
  }
}

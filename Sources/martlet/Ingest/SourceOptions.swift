// Options of `martlet ingest` that say where documents come from besides files, and how to read them.

import ArgumentParser
import Documents
import FoundationEssentials
import Glibc
import HTTP
import JSON

struct SourceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Columns or JSON fields that are text, by commas: each record is a document.",
      valueName: "names"))
  var textColumns: String?
  @Option(
    help: ArgumentHelp("Columns that are metadata (default: all others).", valueName: "names"))
  var metadataColumns: String?
  @Option(
    help: ArgumentHelp("Column that is the id (default: the record's number).", valueName: "name"))
  var idColumn: String?
  @Option(
    help: ArgumentHelp("Encoding of files that aren't UTF-8, such as big5.", valueName: "name"))
  var encoding: String?
  @Option(
    help: ArgumentHelp("Content type of standard input, such as text/html.", valueName: "type"))
  var type: String?
  @Option(help: "Id of the document from standard input (default: its text's hash).")
  var id: String?
  @Option(help: ArgumentHelp("File with a URL on each line: store those pages.", valueName: "file"))
  var urls: String?
  @Option(help: ArgumentHelp("SQLite database whose rows are documents.", valueName: "file"))
  var sqlite: String?
  @Option(help: ArgumentHelp("SELECT statement for --sqlite.", valueName: "sql"))
  var query: String?

  /// What would silently not count: an encoding that there is not, and what goes with another option
  /// and came without it.
  func validate() throws {
    if let encoding, !TextDecoding.isEncoding(encoding) {
      throw ValidationError("--encoding \(encoding) is no encoding such as big5 or windows-1252")
    }
    guard textColumns == nil, metadataColumns != nil || idColumn != nil else { return }
    throw ValidationError(
      "--metadata-columns and --id-column go with --text-columns: say which columns are text")
  }

  var fields: FieldMap? {
    func names(_ list: String) -> [String] {
      list.split(separator: ",").map { $0.trimmingPrefix(while: \.isWhitespace) }.map(String.init)
    }
    guard let text = textColumns.map(names), !text.isEmpty else { return nil }
    return FieldMap(text: text, metadata: metadataColumns.map(names), id: idColumn)
  }

  var reading: FileReading { FileReading(fields: fields, charset: encoding) }

  /// Before it is read. Without an id of its own, what is piped in next doesn't replace it.
  var standardInput: DocumentSource {
    DocumentSource(bytes: [], contentType: type, id: id, fields: fields, charset: encoding)
  }

  /// Standard input, the pages of `--urls`, and the rows of `--sqlite`.
  func storeOthers(readsInput: Bool, _ ingestion: Ingestion) async {
    if readsInput {
      let empty = standardInput
      await ingestion.store("standard input") {
        var source = empty
        source.bytes = Terminal.input()
        return try Extractors.documents(from: source)
      }
    }
    if let sqlite, let query, let fields {
      let rows = DatabaseRows.source(path: Ingestion.source(ofFile: sqlite), query: query)
      await ingestion.store(sqlite, source: rows) {
        try DatabaseRows.documents(
          path: sqlite, query: query, fields: fields, id: sqlite,
          metadata: ["database": .string(sqlite)])
      }
    }
    if let urls { await storePages(urls, ingestion) }
  }

  private func storePages(_ list: String, _ ingestion: Ingestion) async {
    do {
      let client = try HTTPClient()
      for url in try WebPages.list(list) {
        do {
          let page = try await WebPages.fetch(url, with: client)
          await ingestion.store(url, source: url) { try Extractors.documents(from: page) }
        } catch {
          await ingestion.fail(url, error)
        }
      }
    } catch {
      await ingestion.fail(list, error)
    }
  }
}

/// How files are read, for threads of their own.
struct FileReading: Sendable {
  let fields: FieldMap?
  let charset: String?

  /// The documents of a file. Blocks.
  func documents(in file: String) throws -> [DocumentInput] {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw CommandFailure.failure("can't be read: \(Self.fault(of: file))")
    }
    return try Extractors.documents(
      from: DocumentSource(
        bytes: Array(data), fileName: file, id: file, metadata: ["path": .string(file)],
        fields: fields, charset: charset))
  }

  private static func fault(of file: String) -> String {
    var status = stat()
    guard stat(file, &status) == 0 else {
      // What is no UTF-8 in a name has become this character, and the name that of no file.
      return file.unicodeScalars.contains("\u{FFFD}")
        ? "its name is not UTF-8; rename it" : String(cString: strerror(errno))
    }
    guard status.st_mode & S_IFMT == S_IFREG else { return "it is not a file of text or data" }
    return access(file, R_OK) == 0 ? "it is too large" : String(cString: strerror(errno))
  }
}

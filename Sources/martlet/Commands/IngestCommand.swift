// `martlet ingest PATH...`: stores text, Markdown and JSON files as documents, folders with all they
// hold. Each file is a job, whose documents are stored a few at a time: stopped and started again, the
// command goes on where it was. What can't be read is named and the rest goes on.

import ArgumentParser
import FoundationEssentials
import JSON
import OrderedCollections
import Retrieval

struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest", abstract: "Store files as documents to question.",
    discussion: """
      Takes text and Markdown files (one document each, its path is its id), and .json files with a
      document {"id","text","metadata"} or an array of them.
      """)

  @OptionGroup var client: ClientOptions
  @Option(help: ArgumentHelp("Collection (default: default).", valueName: "name"))
  var collection = "default"
  @Argument(help: "Files and folders.") var paths: [String]

  func run() async throws {
    let files = try DocumentFiles.find(paths)
    let api = try await client.open(needsChatModel: false)
    var report = IngestTotals()
    for file in files {
      do {
        let bar = ProgressBar(file)
        let answer = try await api.perform(
          "/collections/\(collection)/documents", try DocumentFiles.documents(in: file),
          progress: Terminal.showsProgress ? bar.show : nil)
        report.add(answer)
        if !client.json { Terminal.print("\(file): \(answer["chunks"]?.int ?? 0) chunks") }
      } catch {
        report.failures += 1
        Terminal.error("\(file): \((error as? CommandFailure)?.message ?? "\(error)")")
      }
    }
    await api.close()
    Terminal.print(client.json ? report.json.description : report.summary)
    if report.failures > 0 {
      throw CommandFailure.failure("\(report.failures) of \(files.count) files were not stored")
    }
  }
}

/// Sums over the batches.
private struct IngestTotals {
  var documents = 0
  var chunks = 0
  var unchanged = 0
  var truncatedChunks = 0
  var failures = 0

  mutating func add(_ answer: JSONValue) {
    documents += answer["documents"]?.int ?? 0
    chunks += answer["chunks"]?.int ?? 0
    unchanged += answer["unchanged"]?.int ?? 0
    truncatedChunks += answer["truncated_chunks"]?.int ?? 0
  }

  var json: JSONValue {
    [
      "documents": .integer(Int64(documents)), "chunks": .integer(Int64(chunks)),
      "unchanged": .integer(Int64(unchanged)),
      "truncated_chunks": .integer(Int64(truncatedChunks)),
    ]
  }

  var summary: String {
    var text = "\(documents) documents stored in \(chunks) chunks, \(unchanged) unchanged"
    if truncatedChunks > 0 {
      text += "; \(truncatedChunks) chunks are longer than the embedding model reads"
    }
    return text
  }
}

/// Files as documents, read by the extractors that the server uses for uploads.
enum DocumentFiles {
  /// The files named, and those of a known kind in the folders named, in order of their paths.
  static func find(_ paths: [String]) throws(CommandFailure) -> [String] {
    var files: [String] = []
    for path in paths {
      var isFolder = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw .failure("there is no file or folder '\(path)'")
      }
      if !isFolder {
        files.append(path)
      } else if let names = FileManager.default.subpaths(atPath: path) {
        files += names.filter(isKnown).sorted().map { path + "/" + $0 }
      }
    }
    guard !files.isEmpty else {
      throw .failure("\(paths.joined(separator: ", ")): no files ending in \(endings)")
    }
    return files
  }

  /// What the documents route takes for this file.
  static func documents(in file: String) throws -> JSONValue {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw CommandFailure.failure("can't be read: missing, a folder, or no permission")
    }
    let source = DocumentSource(
      bytes: Array(data), id: file, metadata: ["path": .string(file)])
    guard let documents = try Extractors.documents(from: source, fileName: file) else {
      throw CommandFailure.failure("only files ending in \(endings) can be read")
    }
    return .array(
      documents.map { document in
        var fields: JSONObject = ["text": .string(document.text)]
        fields["id"] = document.id.map(JSONValue.string)
        fields["metadata"] = .object(document.metadata)
        return .object(fields)
      })
  }

  private static var endings: String {
    Extractors.fileEndings.map { "." + $0 }.joined(separator: ", ")
  }

  private static func isKnown(_ name: String) -> Bool {
    Extractors.fileEndings.contains { name.lowercased().hasSuffix("." + $0) }
  }
}

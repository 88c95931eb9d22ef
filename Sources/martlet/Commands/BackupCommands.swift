// `martlet backup OUT` and `martlet restore FILE`: the documents with their vectors as one file.
// A backup may be taken while a server runs on the folder; a restore needs the folder for itself.

import ArgumentParser
import JSON
import Retrieval

struct BackupCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backup", abstract: "Copy all documents into one file, also beside a server.",
    discussion: """
      The copy is one moment of the database, checked before it gets its name. Models and what can \
      be made anew (indexes, cached weights) are not in it.
      """)

  @OptionGroup var options: DataOptions
  @Flag(help: "Overwrite the file if it exists.") var force = false
  @Argument(help: "File to write.") var out: String

  func run() async throws {
    let (folder, out, force) = (try options.folder(), out, force)
    let copy = try await onOwnThread {
      try copying { () throws(RetrievalError) in
        try DatabaseCopy.backUp(dataDirectory: folder, to: out, replacing: force)
      }
    }
    Terminal.print(options.json ? copy.json.description : "Backed up \(copy.summary) to \(out).")
  }
}

struct RestoreCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore", abstract: "Put a backup into a data folder.",
    discussion: """
      The file's version and integrity are checked first; until then nothing in the folder changes.
      """)

  @OptionGroup var options: DataOptions
  @Flag(help: "Give up the documents that are in the folder.") var force = false
  @Argument(help: "File that martlet backup wrote.") var file: String

  func run() async throws {
    let (folder, file, force) = (try options.folder(), file, force)
    let copy = try await onOwnThread {
      try copying { () throws(RetrievalError) in
        try DatabaseCopy.restore(file, dataDirectory: folder, replacing: force)
      }
    }
    Terminal.print(
      options.json ? copy.json.description : "Restored \(copy.summary) into \(folder).")
  }
}

private func copying(_ body: () throws(RetrievalError) -> DatabaseCopy) throws(CommandFailure)
  -> DatabaseCopy
{
  do throws(RetrievalError) { return try body() } catch { throw .failure("\(error)") }
}

extension DatabaseCopy {
  fileprivate var summary: String {
    "\(documents) documents in \(chunks) chunks (\((byteCount + 999_999) / 1_000_000) MB)"
  }

  fileprivate var json: JSONValue {
    [
      "path": .string(path), "bytes": .integer(Int64(byteCount)),
      "collections": .integer(Int64(collections)), "documents": .integer(Int64(documents)),
      "chunks": .integer(Int64(chunks)),
    ]
  }
}

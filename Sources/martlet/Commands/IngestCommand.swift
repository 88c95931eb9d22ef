// `martlet ingest PATH...`: stores files as documents, folders with all they hold, standard input, pages
// of a list of URLs, and rows of an SQLite database. Stopped and started again, the command goes on where
// it was, because what is stored already costs nothing. What can't be read is named and the rest goes on.

import ArgumentParser
import Documents
import FoundationEssentials
import HTTP
import JSON

struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest", abstract: "Store files as documents to question.",
    discussion: """
      Reads text, Markdown, HTML, PDF (with pdftotext), DOCX, ODT, EPUB, CSV, TSV, JSON, JSON Lines, \
      source code, and zip and tar archives of these. A file is one document with its path as id; \
      JSON holds documents {"id","text","metadata"}; with --text-columns each row of a table and \
      each JSON object is a document. A collection that isn't there is made. Unchanged documents \
      cost nothing, and of changed ones only new chunks are embedded. Documents that a file, page or \
      query no longer holds are removed, never those of another; --watch also removes those of files \
      that are gone. '-' is standard input.
      """)

  @OptionGroup var client: ClientOptions
  @OptionGroup var source: SourceOptions
  @Option(help: ArgumentHelp("Collection (default: default).", valueName: "name"))
  var collection = "default"
  @Option(
    help: ArgumentHelp("Only files of folders that match, such as '*.md'.", valueName: "glob"))
  var include: [String] = []
  @Option(help: ArgumentHelp("No files or folders that match.", valueName: "glob"))
  var exclude: [String] = []
  @Flag(help: "Go on: store what changes in the folders, remove what is deleted.")
  var watch = false
  @Argument(help: "Files and folders, or - for standard input.") var paths: [String] = []

  func validate() throws {
    guard !paths.isEmpty || source.urls != nil || source.sqlite != nil else {
      throw ValidationError("name files or folders, or use --urls or --sqlite")
    }
    if (source.sqlite == nil) != (source.query == nil) {
      throw ValidationError("--sqlite and --query go together")
    }
    if source.sqlite != nil, source.fields == nil {
      throw ValidationError("--sqlite needs --text-columns: the columns that are text")
    }
    if source.type != nil || source.id != nil, !paths.contains("-") {
      throw ValidationError(
        "--type and --id are for standard input (-); a file is known by its ending and its path")
    }
    if watch, paths.contains("-") {
      throw ValidationError("standard input can't be watched")
    }
  }

  func run() async throws {
    let selection = PathSelection(
      paths: paths.filter { $0 != "-" }, include: include, exclude: exclude)
    // Before the files are looked at, so that no change is missed.
    let watcher = try watched(selection)
    let files = try selection.files()
    guard
      !files.isEmpty || watch || paths.contains("-") || source.urls != nil || source.sqlite != nil
    else { throw CommandFailure.failure(Self.nothingFound(paths)) }
    let api = try await client.open(needsChatModel: false)
    let bar = Terminal.showsProgress ? ProgressBar("Storing") : nil
    // Of several sources, the bar counts those that are done.
    var progress: (@Sendable (Double) -> Void)?
    if let bar, files.count < 2 { progress = { bar.show($0) } }
    let ingestion = try Ingestion(
      api, collection: collection, isQuiet: client.json, progress: progress)
    do {
      try await ingestion.makeCollection()
      if watch { try await ingestion.learnKnown() }
    } catch {
      await api.close()
      throw error
    }
    await store(files, ingestion, bar)
    await source.storeOthers(readsInput: paths.contains("-"), ingestion)
    if let watcher {
      for folder in selection.folders { await ingestion.forget(at: folder) }
      await follow(watcher, selection, ingestion)
    }
    await api.close()
    let totals = await ingestion.totals
    Terminal.print(client.json ? totals.json.description : totals.summary)
    tellOfOthers(selection)
    if totals.failures > 0 {
      throw CommandFailure.failure("\(totals.failures) of the sources were not stored")
    }
  }

  /// Files that a folder holds and nobody reads: not failures, but they may have been meant.
  private func tellOfOthers(_ selection: PathSelection) {
    guard include.isEmpty, case let others = selection.otherFiles(), let first = others.first else {
      return
    }
    Terminal.error(
      "\(others.count) files have endings that aren't read, such as \(first); named one by one they "
        + "are tried")
  }

  private func watched(_ selection: PathSelection) throws -> FolderWatcher? {
    guard watch else { return nil }
    guard !selection.folders.isEmpty else {
      throw CommandFailure.failure("--watch follows folders, and none is named")
    }
    return try FolderWatcher(folders: selection.folders)
  }

  private static func nothingFound(_ paths: [String]) -> String {
    let endings = Extractors.fileEndings.map { "." + $0 }.joined(separator: ", ")
    return "\(paths.joined(separator: ", ")): no files ending in \(endings)"
  }

  private func store(_ files: [String], _ ingestion: Ingestion, _ bar: ProgressBar?) async {
    let reading = source.reading
    for (index, file) in files.enumerated() {
      if files.count > 1 { bar?.show(Double(index) / Double(files.count)) }
      await ingestion.store(file: file) { try reading.documents(in: file) }
    }
    bar?.show(1)
  }

  /// Until Ctrl-C or SIGTERM.
  private func follow(
    _ watcher: FolderWatcher, _ selection: PathSelection, _ ingestion: Ingestion
  ) async {
    let signals = TerminationSignals()
    if !client.json { Terminal.print("Watching for changes. Stop with Ctrl-C.") }
    let (received, reading) = (signals.received, source.reading)
    let stopping = Task {
      for await _ in received { watcher.stop() }
    }
    for await changes in watcher.changes {
      for path in changes.sorted() {
        let files = selection.files(at: path)
        await ingestion.forget(at: path)
        for file in files {
          await ingestion.store(file: file) { try reading.documents(in: file) }
        }
      }
    }
    withExtendedLifetime(signals) { stopping.cancel() }
  }
}

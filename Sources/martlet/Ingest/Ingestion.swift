// Sends documents to a collection, a source at a time: a file, standard input, a URL, the rows of a
// query. What can't be read or stored is named and the rest goes on. Documents know their source, so
// that those that it no longer holds are removed, whatever their ids, and never those of another.

import Compute
import Documents
import FoundationEssentials
import JSON

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

actor Ingestion {
  private let api: any APIClient
  private let collection: String
  private let path: String
  private let isQuiet: Bool
  private let progress: (@Sendable (Double) -> Void)?
  private let thread: ComputeThread
  private(set) var totals = IngestTotals()
  /// Ids by their source, of all sources once `learnKnown` has asked; else each is asked about.
  private var known: Set<String>?

  /// Of one request, so that it stays below the server's limit on bodies.
  private static let batchByteCount = 8 << 20
  private static let batchDocumentCount = 500
  private static let jobDocumentCount = 32

  /// - Parameter progress: told how far a source of many documents is, from 0 to 1
  init(
    _ api: any APIClient, collection: String, isQuiet: Bool,
    progress: (@Sendable (Double) -> Void)? = nil
  ) throws {
    self.api = api
    self.progress = progress
    self.isQuiet = isQuiet
    self.collection = collection
    path = "/collections/\(Self.escaped(collection))/documents"
    thread = try ComputeThread(name: "extraction", niceness: 19)
  }

  /// Makes the collection, with every default, where it is not there yet.
  func makeCollection() async throws {
    let known = try await api.get("/collections")["collections"]?.array ?? []
    guard !known.contains(where: { $0["name"]?.string == collection }) else { return }
    _ = try await api.call(.put, "/collections/\(Self.escaped(collection))", [:])
    if !isQuiet { Terminal.print("Made the collection \(collection).") }
  }

  func store(file: String, _ read: @Sendable @escaping () throws -> [DocumentInput]) async {
    await store(file, source: Self.source(ofFile: file), read)
  }

  /// Reads and stores one source, and removes what it held before and holds no more; `read` runs off
  /// the cooperative pool.
  /// - Parameters:
  ///   - name: for messages
  ///   - source: what the documents belong to; nil for what can't be read twice
  func store(
    _ name: String, source: String? = nil, _ read: @Sendable @escaping () throws -> [DocumentInput]
  ) async {
    do {
      var documents = try await thread.perform(read)
      for index in documents.indices where source != nil {
        documents[index].source = source
        // Documents without an id of their own are known by their place.
        documents[index].id = documents[index].id ?? "\(name)#\(index + 1)"
      }
      var chunks = 0
      for batch in Self.batches(documents) {
        let answer = try await send(.array(batch.map(\.wire)), count: batch.count)
        totals.add(answer)
        chunks += answer["chunks"]?.int ?? 0
      }
      var removed = 0
      if let source { removed = try await keepOnly(Set(documents.compactMap(\.id)), of: source) }
      if !isQuiet {
        let suffix = removed > 0 ? ", \(removed) documents removed that it no longer holds" : ""
        Terminal.print("\(name): \(chunks) chunks\(suffix)")
      }
    } catch {
      fail(name, error)
    }
  }

  func fail(_ name: String, _ error: any Error) {
    totals.failures += 1
    Terminal.error("\(name): \((error as? CommandFailure)?.message ?? "\(error)")")
  }

  /// Stores a batch, a large one as a job, whose documents are stored a few at a time.
  private func send(_ batch: JSONValue, count: Int) async throws -> JSONValue {
    guard count > Self.jobDocumentCount else { return try await api.post(path, batch) }
    return try await api.perform(path, batch, progress: progress)
  }

  private static func batches(_ documents: [DocumentInput]) -> [[DocumentInput]] {
    var batches: [[DocumentInput]] = []
    var byteCount = 0
    for document in documents {
      byteCount += document.text.utf8.count
      if batches.isEmpty || byteCount > batchByteCount
        || batches[batches.count - 1].count == batchDocumentCount
      {
        batches.append([])
        byteCount = document.text.utf8.count
      }
      batches[batches.count - 1].append(document)
    }
    return batches
  }

  // MARK: What was stored before

  /// The source that a file is: where it lies, whatever path leads there.
  static func source(ofFile path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  /// Asks the collection what its documents came from.
  func learnKnown() async throws {
    var found: Set<String> = []
    try await forEachStored { document in
      if let source = document["source"]?.string { found.insert(source) }
    }
    known = found
  }

  /// The collection's documents, or those of a source.
  private func forEachStored(
    of source: String? = nil, _ take: (JSONValue) -> Void
  ) async throws {
    var query = "limit=1000"
    if let source { query += "&source=\(Self.escaped(source))" }
    var after = ""
    while true {
      let page = try await api.get("\(path)?\(query)\(after)")
      for document in page["documents"]?.array ?? [] { take(document) }
      guard let next = page["next"]?.string else { return }
      after = "&after=\(Self.escaped(next))"
    }
  }

  /// Removes the documents of files at or below a path that are gone. A file that is there and is not
  /// looked at, or that can't be, keeps its own.
  func forget(at path: String) async {
    let place = Self.source(ofFile: path)
    let below = (known ?? []).filter { $0 == place || $0.hasPrefix(place + "/") }
    for file in below.sorted() where Self.isGone(file) {
      do {
        _ = try await keepOnly([], of: file)
        known?.remove(file)
        if !isQuiet { Terminal.print("\(file): removed") }
      } catch {
        fail(file, error)
      }
    }
  }

  private static func isGone(_ file: String) -> Bool {
    var status = stat()
    return lstat(file, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)
  }

  /// Removes those documents of a source that it no longer holds; how many there were. The server is
  /// asked each time: another source may have taken a document over.
  private func keepOnly(_ ids: Set<String>, of source: String) async throws -> Int {
    let gone = try await stored(of: source).subtracting(ids).sorted()
    var removed = 0
    for start in stride(from: 0, to: gone.count, by: Self.batchDocumentCount) {
      let part = gone[start..<min(start + Self.batchDocumentCount, gone.count)]
      let answer = try await api.call(
        .delete, path, ["ids": .array(part.map(JSONValue.string)), "source": .string(source)])
      removed += answer["deleted"]?.int ?? 0
    }
    known?.insert(source)
    totals.removed += removed
    return removed
  }

  private func stored(of source: String) async throws -> Set<String> {
    var ids: Set<String> = []
    try await forEachStored(of: source) { document in
      if let id = document["id"]?.string { ids.insert(id) }
    }
    return ids
  }

  private static func escaped(_ id: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    let bytes = id.utf8.flatMap { byte -> [UInt8] in
      let isPlain =
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte)
        || (0x61...0x7A).contains(byte) || "-._~".utf8.contains(byte)
      return isPlain ? [byte] : [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Sums over the batches.
struct IngestTotals: Sendable {
  var documents = 0
  var chunks = 0
  var unchanged = 0
  var truncatedChunks = 0
  /// Documents that their source no longer holds.
  var removed = 0
  /// Sources that were not stored.
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
      "unchanged": .integer(Int64(unchanged)), "removed": .integer(Int64(removed)),
      "truncated_chunks": .integer(Int64(truncatedChunks)),
    ]
  }

  var summary: String {
    var text =
      "\(documents - unchanged) documents stored in \(chunks) chunks, \(unchanged) unchanged"
    if removed > 0 { text += ", \(removed) removed" }
    if truncatedChunks > 0 {
      text += "; \(truncatedChunks) chunks are longer than the embedding model reads"
    }
    return text
  }
}

extension DocumentInput {
  /// What the documents route takes.
  fileprivate var wire: JSONValue {
    var fields: JSONObject = ["text": .string(text)]
    fields["id"] = id.map(JSONValue.string)
    fields["source"] = source.map(JSONValue.string)
    fields["metadata"] = .object(metadata)
    return .object(fields)
  }
}

// Storing many documents a few at a time: each part is a batch of its own, so that what was stored
// stays when the work is cut short, and costs nothing when the same documents are sent again.

package import Documents

extension DocumentStore {
  /// Texts of so many bytes are worth a transaction.
  private static let partByteCount = 64 << 10
  private static let partDocumentCount = 32

  /// Refuses what `putDocuments` would refuse before it stores anything.
  package func check(_ inputs: [DocumentInput], in name: String) async throws {
    _ = try await lookUp(inputs, in: name)
  }

  /// Stores documents that `check` let pass.
  /// - Parameter progress: told how many of them are stored
  package func putDocumentsInParts(
    _ inputs: [DocumentInput], in name: String, progress: @Sendable (Int) -> Void
  ) async throws -> IngestResult {
    var total = IngestResult()
    for part in Self.parts(inputs) {
      try Task.checkCancellation()
      total.add(try await putDocuments(Array(part), in: name))
      progress(total.documents)
    }
    return total
  }

  private static func parts(_ inputs: [DocumentInput]) -> [ArraySlice<DocumentInput>] {
    var parts: [ArraySlice<DocumentInput>] = []
    var start = 0
    var byteCount = 0
    for (index, input) in inputs.enumerated() {
      byteCount += input.text.utf8.count
      let isFull = byteCount >= partByteCount || index + 1 - start == partDocumentCount
      guard isFull || index + 1 == inputs.count else { continue }
      parts.append(inputs[start...index])
      (start, byteCount) = (index + 1, 0)
    }
    return parts
  }
}

extension IngestResult {
  fileprivate mutating func add(_ part: IngestResult) {
    documents += part.documents
    chunks += part.chunks
    unchanged += part.unchanged
    truncatedChunks += part.truncatedChunks
    removed += part.removed
    embeddedTokens += part.embeddedTokens
    ids += part.ids
  }
}

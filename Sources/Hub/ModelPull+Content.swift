// The content of one file: from where an earlier pull got to, over as many requests as it takes, until the
// hash is right. What gets further is no failed try, however often it is cut off.

import FoundationEssentials
import HTTP
import HTTPTypes

extension ModelPull {
  func fetch(_ file: HubFile, commit: String) async throws {
    let held = try await lock(file)
    defer { held.release() }
    let destination = repository.blob(file.digest.text)
    // Another file with this content, or another process, has brought it.
    if FileManager.default.fileExists(atPath: destination) { return }
    let partial = try PartialBlob(path: repository.partialBlob(file.digest.text), file: file)
    for isLast in [false, true] {
      try await complete(partial, file, commit: commit)
      if try partial.finish(as: destination) { return }
      if isLast { partial.discard() }
    }
    throw HubError.wrongContent(file: file.name)
  }

  private func lock(_ file: HubFile) async throws -> BlobLock {
    let path = repository.lock(file.digest.text)
    var isWaiting = false
    while true {
      if let lock = try BlobLock(path: path) { return lock }
      if !isWaiting { client.retries.note("waiting for another process that fetches \(file.name)") }
      isWaiting = true
      try await client.retries.sleep(.seconds(1))
    }
  }

  private func complete(_ partial: PartialBlob, _ file: HubFile, commit: String) async throws {
    var failureCount = 0
    while !partial.isComplete {
      let before = partial.count
      do { try await fetchRest(partial, file, commit: commit) } catch let failure as HubError {
        failureCount = partial.count > before ? 1 : failureCount + 1
        try await client.retries.pause(after: failure, failureCount: failureCount)
      }
    }
  }

  private func fetchRest(_ partial: PartialBlob, _ file: HubFile, commit: String) async throws {
    let exchange = try await client.content(
      of: file, from: partial.count, commit: commit, of: reference)
    try begin(partial, file, exchange)
    showProgress(of: file, partial.count)
    try await exchange.reading { response in
      for try await piece in response {
        guard try partial.append(piece) else {
          try partial.restart()
          throw HubError.malformedAnswer(
            url: exchange.location.url,
            reason: "it is longer than the file's \(file.byteCount) bytes")
        }
        showProgress(of: file, partial.count)
      }
    }
    guard partial.isComplete else {
      throw HubError.network(
        host: exchange.location.authority,
        .badResponse(reason: "it ends after \(partial.count) of \(file.byteCount) bytes"))
    }
  }

  /// Sees what the answer's body is: the rest, or all.
  private func begin(_ partial: PartialBlob, _ file: HubFile, _ exchange: HubExchange) throws {
    let status = exchange.response.status
    guard status == .partialContent else {
      // 200: ranges are not supported, or the content is not the one that was begun; 416: no such range.
      if partial.count > 0 { try partial.restart() }
      guard status == .ok else {
        throw HubError.network(
          host: exchange.location.authority, .badResponse(reason: "its status is \(status.code)"))
      }
      return
    }
    let range = exchange.response.headers[.contentRange] ?? ""
    guard range.hasPrefix("bytes \(partial.count)-"),
      ["/\(file.byteCount)", "/*"].contains(where: range.hasSuffix)
    else {
      try partial.restart()
      throw HubError.network(
        host: exchange.location.authority,
        .badResponse(reason: "it sends '\(range)' of \(file.byteCount) bytes"))
    }
  }
}

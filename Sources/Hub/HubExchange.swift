// An answer of the hub with what the redirects on the way said of the file, and the failure that a status
// stands for. The hub's own headers: X-Repo-Commit, X-Linked-ETag and X-Linked-Size for files that lie on
// another host, X-Error-Code and X-Error-Message.

import HTTP
import HTTPTypes

/// What headers say of a file.
struct HubFileFacts: Sendable, Hashable {
  private(set) var commit: String?
  private(set) var entityTag: String?
  private(set) var byteCount: Int?

  var isComplete: Bool { entityTag != nil && byteCount != nil }

  /// What was said first stays.
  mutating func note(_ response: HTTPClientResponse) {
    func header(_ name: String) -> String? { response.header(name) }
    commit = commit ?? header("X-Repo-Commit")
    entityTag = entityTag ?? header("X-Linked-ETag")
    byteCount = byteCount ?? header("X-Linked-Size").flatMap { Int($0) }
    guard response.status == .ok else { return }
    entityTag = entityTag ?? response.headers[.eTag]
    byteCount = byteCount ?? response.headers[.contentLength].flatMap { Int($0) }
  }
}

struct HubExchange: Sendable {
  let response: HTTPClientResponse
  let location: HTTPLocation
  let facts: HubFileFacts

  /// Runs what reads the body; failures of the network become the hub's.
  func reading<Result>(
    isolation: isolated (any Actor)? = #isolation,
    _ body: (HTTPClientResponse) async throws -> Result
  ) async throws -> Result {
    do { return try await body(response) } catch let error as HTTPError {
      throw HubError.network(host: location.authority, error)
    }
  }

  /// Throws what a status other than success means.
  func check(_ reference: ModelReference, file: String?, hasToken: Bool) async throws {
    let status = response.status.code
    // 416: there is nothing after the offset that was asked for.
    guard !(200..<300).contains(status), status != 416 else { return }
    let message = response.header("X-Error-Message")
    switch (response.header("X-Error-Code"), status) {
    case ("GatedRepo", _):
      throw HubError.gated(
        model: reference.name, page: "\(location.origin)/\(reference.name)", hasToken: hasToken)
    case ("RevisionNotFound", _):
      throw HubError.revisionNotFound(model: reference.name, revision: reference.revision)
    case ("EntryNotFound", _):
      throw HubError.fileNotFound(model: reference.name, file: file ?? "")
    case (_, 401) where message?.contains("Invalid credentials") == true:
      throw HubError.tokenRefused(host: location.authority)
    case ("RepoNotFound", _), (_, 401), (_, 404):
      throw HubError.notFound(model: reference.name, hasToken: hasToken)
    case (_, 403): throw HubError.forbidden(model: reference.name, message: message)
    case (_, 408), (_, 429), (_, 500...):
      throw HubError.busy(
        host: location.authority, status: status,
        retryAfterSeconds: response.headers[.retryAfter].flatMap { Int($0) }.map { max(0, $0) })
    default:
      throw HubError.unexpectedStatus(url: location.url, status: status, message: message)
    }
  }
}

extension HTTPClientResponse {
  func header(_ name: String) -> String? {
    HTTPField.Name(name).flatMap { headers[$0] }
  }
}

// What is asked of the hub (https://huggingface.co/docs/hub/api): the files of a revision, what a file's
// content is, and the content, which may come from another host. The access token goes to the endpoint
// alone, and never in the clear over a network. Follows redirects, but not from https to http.

import HTTP
import HTTPTypes
import JSON

/// A revision of a model: its commit and the names of its files.
struct HubRevision: Sendable, Hashable {
  var commit: String
  var files: [String]
}

/// What a file's content must be.
struct HubFile: Sendable, Hashable {
  var name: String
  var digest: HubDigest
  var byteCount: Int
}

struct HubClient: Sendable {
  let http: HTTPClient
  let endpoint: String
  let token: String?
  let retries: RetryPolicy

  private static let userAgent = "martlet"
  private static let maximumRedirects = 10
  private static let maximumListBytes = 64 << 20
  private static let maximumFiles = 100_000
  /// 16 TB: no file is larger, and sums of some thousand of them stay within Int.
  private static let maximumFileBytes = 1 << 44

  func revision(_ reference: ModelReference) async throws -> HubRevision {
    let url =
      "\(endpoint)/api/models/\(reference.name)/revision/\(HubFileName.encoded(reference.revision))"
    let body = try await retries.run {
      let exchange = try await send(.get, url, reference)
      return try await exchange.reading { try await $0.wholeBody(limit: Self.maximumListBytes) }
    }
    return try Self.revision(body, url: url)
  }

  private static func revision(_ body: [UInt8], url: String) throws(HubError) -> HubRevision {
    func refusal(_ reason: String) -> HubError { .malformedAnswer(url: url, reason: reason) }
    guard let answer = try? JSONValue(parsing: body) else { throw refusal("it is not JSON") }
    guard let commit = answer["sha"]?.string, CachedRepository.isCommit(commit) else {
      throw refusal("'sha' is no commit")
    }
    guard let siblings = answer["siblings"]?.array, siblings.count <= maximumFiles else {
      throw refusal("'siblings' is no list of files")
    }
    var files: [String] = []
    for sibling in siblings {
      guard let name = sibling["rfilename"]?.string else {
        throw refusal("'siblings' has an entry without a name")
      }
      guard HubFileName.isSafe(name) else { throw .unsafeFileName(name) }
      files.append(name)
    }
    return HubRevision(commit: commit, files: files)
  }

  /// Hash and size of a file, without its content.
  func describe(
    _ file: String, commit: String, of reference: ModelReference
  ) async throws -> HubFile {
    let url = contentURL(file, commit: commit, of: reference)
    let facts = try await retries.run { try await send(.head, url, reference, file: file).facts }
    if let found = facts.commit, found != commit {
      throw HubError.malformedAnswer(url: url, reason: "it is from commit \(found)")
    }
    guard let tag = facts.entityTag, let digest = HubDigest(entityTag: tag) else {
      throw HubError.malformedAnswer(
        url: url, reason: "its ETag is neither SHA-256 nor git's hash, so nothing can be checked")
    }
    guard let byteCount = facts.byteCount, (0...Self.maximumFileBytes).contains(byteCount) else {
      throw HubError.malformedAnswer(url: url, reason: "it does not say how large the file is")
    }
    return HubFile(name: file, digest: digest, byteCount: byteCount)
  }

  /// The content of a file from an offset on, or all of it: the answer's status says which.
  func content(
    of file: HubFile, from offset: Int, commit: String, of reference: ModelReference
  ) async throws -> HubExchange {
    let url = contentURL(file.name, commit: commit, of: reference)
    var fields = HTTPFields()
    if offset > 0 {
      fields[.range] = "bytes=\(offset)-"
      fields[.ifRange] = "\"\(file.digest.text)\""
    }
    let exchange = try await send(.get, url, reference, file: file.name, fields)
    if let tag = exchange.facts.entityTag, HubDigest(entityTag: tag) != file.digest {
      throw HubError.malformedAnswer(url: url, reason: "the file has changed meanwhile")
    }
    return exchange
  }

  private func contentURL(
    _ file: String, commit: String, of reference: ModelReference
  ) -> String {
    "\(endpoint)/\(reference.name)/resolve/\(commit)/\(HubFileName.encoded(file, keeping: "/"))"
  }

  // MARK: Requests

  /// Sends a request and follows redirects; a HEAD stops as soon as all is known about the file.
  private func send(
    _ method: HTTPRequest.Method, _ url: String, _ reference: ModelReference, file: String? = nil,
    _ fields: HTTPFields = [:]
  ) async throws -> HubExchange {
    let home = try location(endpoint)
    var current = try location(url)
    var facts = HubFileFacts()
    for _ in 0...Self.maximumRedirects {
      let isAtHome = current.origin == home.origin
      let response = try await request(method, current, fields, isAtHome: isAtHome)
      facts.note(response)
      guard Self.isRedirect(response.status), let target = response.headers[.location] else {
        let exchange = HubExchange(response: response, location: current, facts: facts)
        try await exchange.check(reference, file: file, hasToken: token != nil)
        return exchange
      }
      if method == .head, facts.isComplete {
        return HubExchange(response: response, location: current, facts: facts)
      }
      current = try next(current, target)
    }
    throw HubError.malformedAnswer(
      url: url, reason: "it leads from one place to the next without end")
  }

  private func request(
    _ method: HTTPRequest.Method, _ location: HTTPLocation, _ fields: HTTPFields, isAtHome: Bool
  ) async throws -> HTTPClientResponse {
    var fields = fields
    fields[.userAgent] = Self.userAgent
    fields[.acceptEncoding] = "identity"
    if isAtHome {
      let isPrivate =
        location.isSecure || ["127.0.0.1", "::1", "localhost"].contains(location.host)
      if isPrivate { fields[.authorization] = token.map { "Bearer \($0)" } }
    } else {
      // Another host has names of its own for content; what arrives is checked by its hash.
      fields[.ifRange] = nil
    }
    do { return try await http.stream(method, location.url, headers: fields) } catch let error
      as HTTPError
    { throw HubError.network(host: location.authority, error) }
  }

  private static func isRedirect(_ status: HTTPResponse.Status) -> Bool {
    [301, 302, 303, 307, 308].contains(status.code)
  }

  private func next(_ current: HTTPLocation, _ target: String) throws -> HTTPLocation {
    do {
      let next = try current.resolving(target)
      guard next.isSecure || !current.isSecure else {
        throw HubError.malformedAnswer(url: current.url, reason: "it leads from https to http")
      }
      return next
    } catch let error as HTTPError {
      throw HubError.malformedAnswer(url: current.url, reason: "it leads elsewhere, but \(error)")
    }
  }

  private func location(_ url: String) throws -> HTTPLocation {
    do { return try HTTPLocation(url) } catch {
      throw HubError.network(host: url, error)
    }
  }
}

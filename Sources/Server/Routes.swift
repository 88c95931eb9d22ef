// Every route of the server, in one table; `openapi.yaml` describes the same ones and a test holds
// the two against each other.

import HTTP
import HTTPTypes
import Logging

struct Routes: Sendable {
  /// Open to everyone, also where keys are required: what probes ask.
  static let openPaths: Set<String> = ["/health", "/healthz", "/readyz", "/livez"]

  let state: ServerState
  let metrics: ServerMetrics
  let jobs: JobBoard
  let keys: APIKeys?
  let logger: Logger
  let adapterFolder: AdapterFolder

  func router() -> Router {
    var router = Router(
      middleware: [Instrumentation(metrics: metrics, logger: logger)],
      preflight: refuseStrangers,
      errorRenderer: { ErrorResponse.render($0, message: $1) })
    let add = { (method: HTTPRequest.Method, patterns: [String], endpoint: @escaping Endpoint) in
      for pattern in patterns {
        // PUT /collections/{name} without a body takes every default, a reindex changes no setting.
        router.add(
          method, pattern, optionalBody: method == .put || pattern.hasSuffix("/reindex"),
          handler: handler(for: endpoint))
      }
    }
    probes(add)
    generation(add)
    documents(add)
    return router
  }

  /// An endpoint throws where it can't answer.
  private typealias Endpoint = @Sendable (Request) async throws -> Response
  private typealias Add = (HTTPRequest.Method, [String], @escaping Endpoint) -> Void

  private func probes(_ add: Add) {
    let health = Health(state: state)
    add(.get, ["/livez"], health.live)
    add(.get, ["/health", "/healthz", "/readyz"], health.ready)
    add(.get, ["/metrics"], MetricsEndpoint(state: state, metrics: metrics).respond)
  }

  private func generation(_ add: Add) {
    let models = Models(state: state)
    add(.get, ["/v1/models"], models.list)
    add(.get, ["/v1/models/{id}"], models.get)
    let adapters = Adapters(state: state, folder: adapterFolder, logger: logger)
    add(.post, ["/v1/adapters"], adapters.load)
    add(.delete, ["/v1/adapters/{name}"], adapters.remove)
    add(
      .post, ["/v1/chat/completions", "/chat"],
      ChatCompletions(state: state, metrics: metrics).respond)
    add(.post, ["/v1/completions"], Completions(state: state, metrics: metrics).respond)
    add(
      .post, ["/v1/embeddings", "/embeddings"], Embeddings(state: state, metrics: metrics).respond)
    add(.post, ["/v1/rerank", "/rerank"], Rerank(state: state).respond)
    let tokenization = Tokenization(state: state)
    add(.post, ["/tokenize"], tokenization.tokenize)
    add(.post, ["/detokenize"], tokenization.detokenize)
  }

  private func documents(_ add: Add) {
    add(
      .post, ["/retrieve", "/v1/retrieve"], Retrieve(state: state, metrics: metrics).respond)
    let collections = Collections(state: state, jobs: jobs)
    add(.get, ["/collections", "/v1/collections"], collections.list)
    let one = ["/collections/{name}", "/v1/collections/{name}"]
    add(.get, one, collections.get)
    add(.put, one, collections.put)
    add(.delete, one, collections.delete)
    add(.post, one.map { $0 + "/reindex" }, collections.reindex)
    let documents = CollectionDocuments(state: state, metrics: metrics, jobs: jobs)
    let all = one.map { $0 + "/documents" }
    add(.get, all, documents.list)
    add(.post, all, documents.store)
    add(.put, all, documents.store)
    add(.delete, all, documents.deleteMatching)
    let single = all.map { $0 + "/{id}" }
    add(.get, single, documents.get)
    add(.put, single, documents.store)
    add(.patch, single, documents.updateMetadata)
    add(.delete, single, documents.delete)
    let jobs = Jobs(state: state, board: jobs)
    add(.get, ["/jobs", "/v1/jobs"], jobs.list)
    let job = ["/jobs/{id}", "/v1/jobs/{id}"]
    add(.get, job, jobs.get)
    add(.delete, job, jobs.cancel)
    add(.get, job.map { $0 + "/events" }, jobs.events)
  }

  private func handler(for endpoint: @escaping Endpoint) -> Handler {
    { [logger] request in
      do { return try await endpoint(request) } catch {
        return ErrorResponse.render(error, logger: logger)
      }
    }
  }

  /// Before the body is read: who has no key doesn't get to send one.
  @Sendable private func refuseStrangers(_ request: Request) -> Response? {
    guard let keys, !Self.openPaths.contains(request.route) else { return nil }
    if keys.accepts(authorization: request.headers[.authorization]) { return nil }
    return ErrorResponse.render(
      APIError(
        status: 401, type: "authentication_error",
        message: "A valid API key is needed: send the header 'Authorization: Bearer KEY'.",
        code: "invalid_api_key"))
  }
}

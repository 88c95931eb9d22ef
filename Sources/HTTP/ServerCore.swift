// What all connections of a server share, and the admission of a request once its head is known:
// everything that can be refused is refused here, before any of the body is read.

import HTTPTypes
import Logging
import Synchronization

/// A request whose head has been accepted, on its way to a handler.
struct AdmittedRequest: Sendable {
  var request: Request
  var exchange: Exchange
  var framing: BodyFraming
  var bodyLimit: Int
  var isInline: Bool
  var handler: Handler
}

final class ServerCore: Sendable {
  let configuration: HTTPServerConfiguration
  let router: Router
  let logger: Logger

  private struct State {
    var connectionCount = 0
    var isDraining = false
    var emptied: AsyncStream<Never>.Continuation?
  }

  private let state = Mutex(State())

  init(configuration: HTTPServerConfiguration, router: Router, logger: Logger) {
    self.configuration = configuration
    self.router = router
    self.logger = logger
  }

  // MARK: Connections

  var connectionCount: Int { state.withLock { $0.connectionCount } }

  var isDraining: Bool { state.withLock { $0.isDraining } }

  /// Whether the connection is counted: those that come during a drain are answered, not waited for.
  func connectionOpened() -> Bool {
    state.withLock { state in
      if !state.isDraining { state.connectionCount += 1 }
      return !state.isDraining
    }
  }

  /// Of one that was counted.
  func connectionClosed() {
    let emptied = state.withLock { state -> AsyncStream<Never>.Continuation? in
      state.connectionCount -= 1
      return state.connectionCount == 0 ? state.emptied : nil
    }
    emptied?.finish()
  }

  func beginDraining() { state.withLock { $0.isDraining = true } }

  /// Returns when no connection is left, or the task is cancelled.
  func waitUntilEmpty() async {
    let (stream, continuation) = AsyncStream.makeStream(of: Never.self)
    let isEmpty = state.withLock { state in
      state.emptied = continuation
      return state.connectionCount == 0
    }
    if isEmpty { continuation.finish() }
    for await _ in stream {}
  }

  // MARK: Admission

  /// The request, and the handler that refuses it if it is refused.
  func admit(_ head: RequestHead, peer: String) -> (AdmittedRequest, refusal: Handler?) {
    let id = RequestID.accepting(head.request.headerFields[.xRequestID])
    var request = Request(
      head: head.request, path: head.parts.path, query: head.parts.query, id: id, peer: peer)
    let exchange = Exchange(
      isHead: head.request.method == .head, minorVersion: head.minorVersion,
      keepsAlive: head.keepsAlive, requestID: id)
    var admitted = AdmittedRequest(
      request: request, exchange: exchange, framing: head.framing,
      bodyLimit: configuration.maximumBodyBytes, isInline: false, handler: { _ in Response(.ok) })
    let match = router.match(request.method, head.parts.segments)
    guard case .route(let route, let parameters) = match else {
      return refused(admitted, router.rendered(match))
    }
    request.route = route.pattern
    request.parameters = parameters
    admitted.request = request
    admitted.isInline = route.inline
    admitted.bodyLimit = route.maximumBodyBytes ?? configuration.maximumBodyBytes
    admitted.handler = route.handler
    if let refusal = refusal(of: head, request, route) { return refused(admitted, refusal) }
    return (admitted, nil)
  }

  private func refusal(of head: RequestHead, _ request: Request, _ route: Router.Route) -> Response?
  {
    if head.hasUnknownExpectation {
      return router.errorRenderer(.expectationFailed, "only 'Expect: 100-continue' is understood")
    }
    if let refusal = router.preflight?(request) { return refusal }
    let codings = FieldSyntax.list(request.headers[.contentEncoding] ?? "")
    if let coding = codings.first(where: { $0 != "identity" }) {
      return router.errorRenderer(
        .unsupportedMediaType, "content coding '\(coding)' is not supported; send the body as it is"
      )
    }
    let methodsWithBody: [HTTPRequest.Method] = [.post, .put, .patch]
    if head.framing == .none, !route.optionalBody, methodsWithBody.contains(request.method) {
      return router.errorRenderer(
        .lengthRequired, "send Content-Length or Transfer-Encoding: chunked")
    }
    return nil
  }

  /// An unread body is in the way of the next request, so the connection ends after the refusal.
  private func refused(
    _ admitted: AdmittedRequest, _ response: Response
  ) -> (AdmittedRequest, refusal: Handler?) {
    var admitted = admitted
    if admitted.framing.mayHaveBody { admitted.exchange.keepsAlive = false }
    return (admitted, { [router] request in await router.answer(request, with: response) })
  }
}

// Around every request: one access-log line and the HTTP metrics, observed when the last byte of
// the answer is out or the client is gone. Relies on the router for the route's pattern, a label
// of bounded cardinality.

import HTTP
import HTTPTypes
import Logging

struct Instrumentation: Middleware {
  /// Probes and scrapes would drown everything else in the log.
  private static let quietRoutes: Set<String> = [
    "/health", "/healthz", "/readyz", "/livez", "/metrics",
  ]

  let metrics: ServerMetrics
  let logger: Logger

  func respond(to request: Request, next: Handler) async -> Response {
    let trace = RequestTrace()
    let watch = Stopwatch()
    var response = await RequestTrace.$current.withValue(trace) { await next(request) }
    response.headers[.openAIProcessingMilliseconds] = String(Int(watch.seconds * 1000))
    let status = response.status.code
    guard case .stream(let produce) = response.body else {
      finish(request, trace: trace, watch: watch, status: status)
      return response
    }
    response.body = .stream { stream in
      defer { finish(request, trace: trace, watch: watch, status: status) }
      try await RequestTrace.$current.withValue(trace) { try await produce(stream) }
    }
    return response
  }

  private func finish(_ request: Request, trace: RequestTrace, watch: Stopwatch, status: Int) {
    let seconds = watch.seconds
    let route = request.route.isEmpty ? "none" : request.route
    metrics.httpRequests.increment(route, request.method.rawValue, String(status))
    metrics.httpDuration.observe(seconds, route)
    var metadata = trace.metadata
    metadata["request_id"] = .string(request.id)
    metadata["method"] = .string(request.method.rawValue)
    metadata["path"] = .string(request.path)
    metadata["status"] = .stringConvertible(status)
    metadata["duration_ms"] = .stringConvertible((seconds * 1e6).rounded() / 1e3)
    metadata["peer"] = .string(request.peer)
    let isQuiet = Self.quietRoutes.contains(route)
    logger.log(level: isQuiet ? .debug : .info, "request", metadata: metadata)
  }
}

extension HTTPField.Name {
  /// Constants that are tokens; the fallback is never reached.
  static let openAIProcessingMilliseconds = HTTPField.Name("openai-processing-ms") ?? .server
  static let shouldRetry = HTTPField.Name("x-should-retry") ?? .server
}

// From method and path to a handler. Patterns are literal segments and `{name}` segments, which
// match one non-empty segment each; literals win. HEAD falls back to GET. What matches no route is
// answered by the error renderer: 404, or 405 with Allow. Filled once, before the server starts.

package import HTTPTypes

package struct Router: Sendable {
  /// Looks at a request before its body is read (authentication, say) and refuses it by answering.
  /// Runs on the event loop for every request that has a route: it must be quick.
  package typealias Preflight = @Sendable (Request) -> Response?

  package struct Route: Sendable {
    package let pattern: String
    /// Cheap: runs on the event loop, which saves two thread switches. Must neither block nor
    /// compute for long, or all connections wait.
    package let inline: Bool
    /// nil: the server's default.
    package let maximumBodyBytes: Int?
    /// A body may be left out without saying `Content-Length: 0`; otherwise POST, PUT and PATCH
    /// without a length are answered 411.
    package let optionalBody: Bool
    /// With the middleware around it.
    let handler: Handler
  }

  enum Match: Sendable {
    case route(Route, parameters: [String: String])
    case methodNotAllowed(allowed: String)
    case notFound
  }

  package let errorRenderer: ErrorRenderer
  let preflight: Preflight?
  private let middleware: [any Middleware]
  private var root = Node()

  /// The first middleware is the outermost.
  package init(
    middleware: [any Middleware] = [], preflight: Preflight? = nil,
    errorRenderer: @escaping ErrorRenderer = Router.plainError
  ) {
    self.middleware = middleware
    self.preflight = preflight
    self.errorRenderer = errorRenderer
  }

  /// `pattern` is such as `/collections/{name}/documents/{id}`. A route added twice is replaced.
  package mutating func add(
    _ method: HTTPRequest.Method, _ pattern: String, inline: Bool = false,
    maximumBodyBytes: Int? = nil, optionalBody: Bool = false, handler: @escaping Handler
  ) {
    let route = Route(
      pattern: pattern, inline: inline, maximumBodyBytes: maximumBodyBytes,
      optionalBody: optionalBody, handler: wrap(handler))
    root.insert(route, method, RequestTarget.segments(of: pattern)[...])
  }

  /// Every route, for tests that compare with a description of the interface.
  package var routes: [(method: HTTPRequest.Method, pattern: String)] {
    root.routes.sorted { ($0.pattern, $0.method.rawValue) < ($1.pattern, $1.method.rawValue) }
  }

  /// The whole way of a request without a socket: route, preflight, middleware, handler.
  package func respond(to request: Request) async -> Response {
    var request = request
    switch match(request.method, RequestTarget(request.head.path ?? "")?.segments ?? []) {
    case .route(let route, let parameters):
      request.route = route.pattern
      request.parameters = parameters
      if let refusal = preflight?(request) { return await answer(request, with: refusal) }
      return await route.handler(request)
    case let miss:
      return await answer(request, with: rendered(miss))
    }
  }

  func match(_ method: HTTPRequest.Method, _ segments: [String]) -> Match {
    var parameters: [String] = []
    guard let node = root.find(segments[...], &parameters) else { return .notFound }
    guard let route = node.methods[method] ?? (method == .head ? node.methods[.get] : nil) else {
      return .methodNotAllowed(allowed: node.allowed)
    }
    var named: [String: String] = [:]
    for (name, value) in zip(Node.parameterNames(route.pattern), parameters) { named[name] = value }
    return .route(route, parameters: named)
  }

  /// The answer where no route matched.
  func rendered(_ miss: Match) -> Response {
    guard case .methodNotAllowed(let allowed) = miss else {
      return errorRenderer(.notFound, "no such path")
    }
    var response = errorRenderer(
      .methodNotAllowed, "this path does not take that method; it takes \(allowed)")
    response.headers[.allow] = allowed
    return response
  }

  /// An answer that is already known, seen by the middleware all the same.
  func answer(_ request: Request, with response: Response) async -> Response {
    await wrap { _ in response }(request)
  }

  private func wrap(_ handler: @escaping Handler) -> Handler {
    middleware.reversed().reduce(handler) { next, middleware in
      { await middleware.respond(to: $0, next: next) }
    }
  }

  package static let plainError: ErrorRenderer = { status, message in
    .text("\(status.code) \(status.reasonPhrase): \(message)\n", status: status)
  }
}

/// One segment of the tree of patterns.
private struct Node: Sendable {
  var methods: [HTTPRequest.Method: Router.Route] = [:]
  private var literals: [String: Node] = [:]
  /// At most one; an array because a value cannot hold itself.
  private var parameter: [Node] = []

  mutating func insert(
    _ route: Router.Route, _ method: HTTPRequest.Method, _ segments: ArraySlice<String>
  ) {
    guard let first = segments.first else {
      methods[method] = route
      return
    }
    if Self.isParameter(first) {
      if parameter.isEmpty { parameter.append(Node()) }
      parameter[0].insert(route, method, segments.dropFirst())
    } else {
      literals[first, default: Node()].insert(route, method, segments.dropFirst())
    }
  }

  /// The node of a path that has routes; the values of its parameters are appended in order.
  func find(_ segments: ArraySlice<String>, _ values: inout [String]) -> Node? {
    guard let first = segments.first else { return methods.isEmpty ? nil : self }
    if let node = literals[first]?.find(segments.dropFirst(), &values) { return node }
    guard let next = parameter.first, !first.isEmpty else { return nil }
    values.append(first)
    if let node = next.find(segments.dropFirst(), &values) { return node }
    values.removeLast()
    return nil
  }

  var allowed: String {
    var names = methods.keys.map(\.rawValue)
    if methods[.get] != nil, methods[.head] == nil { names.append("HEAD") }
    return names.sorted().joined(separator: ", ")
  }

  var routes: [(method: HTTPRequest.Method, pattern: String)] {
    methods.map { (method: $0.key, pattern: $0.value.pattern) }
      + (Array(literals.values) + parameter).flatMap(\.routes)
  }

  static func isParameter(_ segment: String) -> Bool {
    segment.hasPrefix("{") && segment.hasSuffix("}")
  }

  static func parameterNames(_ pattern: String) -> [String] {
    guard pattern.contains("{") else { return [] }
    return RequestTarget.segments(of: pattern).filter(isParameter).map {
      String($0.dropFirst().dropLast())
    }
  }
}

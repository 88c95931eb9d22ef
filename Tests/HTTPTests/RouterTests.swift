// Routing, middleware and preflight without a socket.

import HTTP
import HTTPTypes
import Synchronization
import Testing

@Suite struct RouterTests {
  private func router(middleware: [any Middleware] = []) -> Router {
    var router = Router(middleware: middleware) { request in
      request.headers[.authorization] == "no" ? Response(.unauthorized) : nil
    }
    func add(_ method: HTTPRequest.Method, _ pattern: String) {
      router.add(method, pattern) { request in
        let parameters = request.parameters.sorted { $0.key < $1.key }
          .map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        return .text("\(method) \(request.route) \(parameters)")
      }
    }
    add(.get, "/")
    add(.get, "/collections")
    add(.put, "/collections/{name}")
    add(.get, "/collections/{name}")
    add(.get, "/collections/{name}/documents/{id}")
    add(.get, "/collections/special/documents")
    return router
  }

  private func text(_ method: HTTPRequest.Method, _ target: String) async throws -> String {
    let response = await router().respond(to: try #require(Request(method, target)))
    guard case .bytes(let bytes) = response.body, response.status == .ok else {
      return "\(response.status.code) \(response.headers[.allow] ?? "")"
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func matchesLiteralsAndParameters() async throws {
    #expect(try await text(.get, "/") == "GET / ")
    #expect(try await text(.get, "/?q") == "GET / ")
    #expect(try await text(.get, "/collections") == "GET /collections ")
    #expect(try await text(.put, "/collections/a%2Fb") == "PUT /collections/{name} name=a/b")
    #expect(
      try await text(.get, "/collections/x/documents/y")
        == "GET /collections/{name}/documents/{id} id=y,name=x")
    #expect(try await text(.get, "/%63ollections") == "GET /collections ")
  }

  @Test func fallsBackFromALiteralThatLeadsNowhere() async throws {
    #expect(
      try await text(.get, "/collections/special/documents/y")
        == "GET /collections/{name}/documents/{id} id=y,name=special")
    #expect(try await text(.get, "/collections/special") == "GET /collections/{name} name=special")
  }

  @Test func headFallsBackToGet() async throws {
    #expect(try await text(.head, "/collections") == "GET /collections ")
  }

  @Test(arguments: ["/x", "/collections/", "/collections/a/b", "//", "/collections//documents/1"])
  func unknownPaths(_ target: String) async throws {
    #expect(try await text(.get, target) == "404 ")
  }

  @Test func knownPathsWithOtherMethods() async throws {
    #expect(try await text(.delete, "/collections/a") == "405 GET, HEAD, PUT")
    #expect(try await text(.post, "/") == "405 GET, HEAD")
  }

  @Test func listsItsRoutes() {
    #expect(router().routes.map { "\($0.method) \($0.pattern)" }.count == 6)
    #expect(router().routes.first?.pattern == "/")
  }

  private struct Tracer: Middleware {
    let name: String
    let trace: Trace

    func respond(to request: Request, next: Handler) async -> Response {
      trace.add("\(name)>\(request.route)")
      let response = await next(request)
      trace.add("\(name)<\(response.status.code)")
      return response
    }
  }

  private final class Trace: Sendable {
    private let entries = Mutex<[String]>([])
    func add(_ entry: String) { entries.withLock { $0.append(entry) } }
    var all: [String] { entries.withLock { $0 } }
  }

  @Test func middlewareWrapsAnswersAndRefusals() async throws {
    let trace = Trace()
    let router = router(middleware: [
      Tracer(name: "a", trace: trace), Tracer(name: "b", trace: trace),
    ])
    _ = await router.respond(to: try #require(Request(.get, "/")))
    _ = await router.respond(to: try #require(Request(.get, "/nowhere")))
    _ = await router.respond(to: try #require(Request(.get, "/", headers: [.authorization: "no"])))
    #expect(
      trace.all == [
        "a>/", "b>/", "b<200", "a<200", "a>", "b>", "b<404", "a<404", "a>/", "b>/", "b<401",
        "a<401",
      ])
  }
}

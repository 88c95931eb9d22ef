import HTTP
import Testing
import Yams

@testable import Server

/// `openapi.yaml` is the reference of the routes: what it describes exists, and what exists is
/// described.
struct OpenAPITests {
  @Test func routesAndDescriptionAgree() throws {
    let text = try String(contentsOf: Repository.file("openapi.yaml"), encoding: .utf8)
    let document = try #require(try Yams.compose(yaml: text)?.mapping)
    var described: Set<String> = []
    for (path, item) in try #require(document["paths"]?.mapping) {
      for (method, _) in try #require(item.mapping) where method.string != "parameters" {
        described.insert("\(try #require(method.string).uppercased()) \(try #require(path.string))")
      }
    }
    let application = Application(local: ServerConfiguration())
    let existing = Set(application.router.routes.map { "\($0.method.rawValue) \($0.pattern)" })
    #expect(existing.subtracting(described) == [])
    #expect(described.subtracting(existing) == [])
  }
}

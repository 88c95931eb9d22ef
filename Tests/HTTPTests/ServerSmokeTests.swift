import HTTP
import HTTPTypes
import Logging
import Testing

@Suite struct ServerSmokeTests {
  @Test func helloOverASocket() async throws {
    var router = Router()
    router.add(.get, "/hello/{name}", inline: true) { request in
      .text("hello \(request.parameters["name"] ?? "?")")
    }
    router.add(.get, "/stream") { _ in
      ServerSentEvents.response { events in
        for i in 0..<3 { try await events.data(Array("\(i)".utf8)) }
        try await events.done()
      }
    }
    let server = try HTTPServer(
      configuration: .init(port: 0), router: router, logger: Logger(label: "test"))
    let address = try await server.start()
    let client = try HTTPClient()
    let url = "http://\(address.host):\(address.port)"
    let answer = try await client.request(.get, url + "/hello/world")
    #expect(answer.status == .ok)
    #expect(String(decoding: answer.body, as: UTF8.self) == "hello world")
    let events = try await client.stream(.get, url + "/stream")
    var lines: [String] = []
    for try await line in events.lines { lines.append(line) }
    #expect(lines == ["data: 0", "", "data: 1", "", "data: 2", "", "data: [DONE]", ""])
    await server.drain(deadlineSeconds: 5)
    #expect(server.connectionCount == 0)
  }
}

// What must not happen to the whole process, tried in processes of their own.

import CLinux
import Glibc
import HTTP
import Testing
import Transport

@Suite(.timeLimit(.minutes(1))) struct ProcessTests {
  /// A client that goes away while it is written to raises an error, never SIGPIPE.
  @Test func brokenPipesDoNotKill() async {
    await #expect(processExitsWith: .success) {
      signal(SIGPIPE, SIG_DFL)
      let stopped = Event()
      var router = testRouter()
      router.add(.get, "/endless") { _ in
        ServerSentEvents.response { events in
          defer { stopped.signal() }
          while true { try await events.data([UInt8](repeating: 120, count: 1000)) }
        }
      }
      try await withServer(router) { live async throws in
        let connection = try await live.connect()
        try await connection.send(request("GET /endless"))
        _ = try await connection.read(through: "data: x")
        await connection.raw.abort()
        await stopped.wait()
        try await live.waitUntilNoConnections()
      }
      exit(EXIT_SUCCESS)
    }
  }

  /// Without free descriptors new clients wait; the others are served, and when descriptors come
  /// free the waiting ones are too.
  @Test func runningOutOfDescriptorsIsSurvived() async {
    await #expect(processExitsWith: .success) {
      try await withServer(testRouter()) { live async throws in
        let first = try await live.connect()
        try await first.send(request("GET /hello"))
        _ = try await first.response()

        // Let the client's side of one more connection exist, and use up the rest.
        var limit = rlimit(rlim_cur: 256, rlim_max: 256)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var spare: [Int32] = []
        while case let descriptor = clinux_epoll_create(), descriptor >= 0 {
          spare.append(descriptor)
        }
        guard let last = spare.popLast() else { exit(EXIT_FAILURE) }
        close(last)
        let second = try await live.connect()
        try await second.send(request("GET /hello"))
        for n in 0..<50 {
          try await first.send(request("GET /late/\(n)"))
          guard try await first.response().body == "late \(n)" else { exit(EXIT_FAILURE) }
        }
        guard live.server.connectionCount == 1 else { exit(EXIT_FAILURE) }
        for descriptor in spare { close(descriptor) }
        guard try await second.response().body == "hello" else { exit(EXIT_FAILURE) }
      }
      exit(EXIT_SUCCESS)
    }
  }
}

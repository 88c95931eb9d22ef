// Addresses, the table of connections, the clock, error messages.

import CLinux
import Glibc
import Testing

@testable import Transport

@Suite struct ValueTests {
  @Test func resolvesLiterals() throws {
    let v4 = try #require(try SocketAddress.resolveBlocking(host: "127.0.0.1", port: 80).first)
    #expect(v4.host == "127.0.0.1" && v4.port == 80 && v4.description == "127.0.0.1:80")
    for host in ["::1", "[::1]"] {
      let v6 = try #require(try SocketAddress.resolveBlocking(host: host, port: 65535).first)
      #expect(v6.host == "::1" && v6.port == 65535 && v6.description == "[::1]:65535")
    }
  }

  @Test(arguments: [
    ("", 1), ("a\0b", 1), ("127.0.0.1", -1), ("127.0.0.1", 65536), ("1.2.3.4.5", 1),
  ])
  func refusesNonsense(_ host: String, _ port: Int) {
    let error = #expect(throws: TransportError.self) {
      try SocketAddress.resolveBlocking(host: host, port: port)
    }
    #expect(error?.description.contains("cannot be resolved") == true)
  }

  @Test func refusesOtherFamilies() {
    var storage = sockaddr_storage()
    storage.ss_family = sa_family_t(AF_UNIX)
    #expect(SocketAddress(storage, length: 128) == nil)
    storage.ss_family = sa_family_t(AF_INET6)
    #expect(SocketAddress(storage, length: 16) == nil)
  }

  @Test func tellsSuccessorsApart() throws {
    final class Silent: ConnectionHandler {
      func opened(_ connection: Connection, on loop: isolated EventLoop) {}
      func received(
        _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
      ) {}
      func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}
      func ended(_ connection: Connection, on loop: isolated EventLoop) {}
      func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {}
      func closed(_ connection: Connection, on loop: isolated EventLoop) {}
    }
    var table = ConnectionTable()
    func insert() -> ConnectionID {
      table.insert { id in
        Connection(
          id: id, stream: SocketStream(descriptor: -1), peer: nil, options: .init(),
          handler: Silent())
      }.id
    }
    let (first, second) = (insert(), insert())
    #expect(table.count == 2 && table.all.count == 2)
    table.remove(first)
    table.remove(first)
    #expect(table.count == 1 && table[first] == nil && table[second]?.id == second)
    let successor = insert()
    #expect(successor.slot == first.slot && successor != first)
    #expect(table[first] == nil && table[successor]?.id == successor)
    #expect(table[ConnectionID(slot: 99, generation: 1)] == nil)
    #expect(ConnectionID(tag: successor.tag) == successor)
    #expect(ConnectionID(tag: Listener.tag).generation > ConnectionTable.generationLimit)
  }

  @Test func timesSaturate() {
    let now = MonotonicTime.now
    #expect(now + .seconds(2) > now + .milliseconds(1999))
    #expect((now + .milliseconds(1)).nanoseconds(since: now) == 1_000_000)
    #expect(now.nanoseconds(since: now + .seconds(1)) == 0)
    #expect(now + .seconds(-1) == now)
    #expect((now + .seconds(Int64.max)).nanoseconds == .max)
  }

  @Test func errorsSayWhatToDo() {
    let errors: [(TransportError, String)] = [
      (.addressInUse(address: "a:1"), "choose another port"),
      (.cannotListen(address: "a:1", code: EACCES), "CAP_NET_BIND_SERVICE"),
      (.cannotListen(address: "a:1", code: EADDRNOTAVAIL), "no network interface"),
      (.cannotListen(address: "a:1", code: EMFILE), "ulimit -n"),
      (.cannotConnect(address: "a:1", code: ECONNREFUSED), "is the server running?"),
      (.cannotConnect(address: "a:1", code: ETIMEDOUT), "timed out"),
      (.cannotStartEventLoop(code: EMFILE), "ulimit -n"),
    ]
    for (error, words) in errors { #expect(error.description.contains(words)) }
  }

  @Test func linuxWrappers() {
    #expect(clinux_affinity_count() >= 1)
    var word: UInt32 = 1
    #expect(clinux_futex_wait(&word, 2) == -EAGAIN)
    #expect(clinux_futex_wake(&word, 1) == 0)
    #expect(clinux_open("/nonexistent/file", O_RDONLY, 0) == -ENOENT)
    #expect(clinux_sync_directory("/tmp") == 0)
    #expect(clinux_map_file(-1, 4096) == nil)
  }
}

// An IPv4 or IPv6 address with a port: resolved from a host name, or read back from a socket.
// Keeps the kernel's own bytes, so that nothing is lost between getaddrinfo, bind and connect.
// Refuses other families.

import CLinux
import Dispatch
import Glibc

package struct SocketAddress: Sendable, Hashable {
  /// The sockaddr_in or sockaddr_in6 as the kernel lays it out.
  private let bytes: [UInt8]

  /// Reads back what a system call filled in; nil for anything but IPv4 and IPv6.
  init?(_ storage: sockaddr_storage, length: socklen_t) {
    let family = Int32(storage.ss_family)
    let expected =
      family == AF_INET
      ? MemoryLayout<sockaddr_in>.size
      : family == AF_INET6 ? MemoryLayout<sockaddr_in6>.size : Int.max
    guard expected <= Int(length) else { return nil }
    bytes = withUnsafeBytes(of: storage) { Array($0.prefix(expected)) }
  }

  /// The address in numbers, without brackets: `127.0.0.1`, `::1`.
  package var host: String { numeric(NI_NUMERICHOST).host }

  package var port: Int { Int(numeric(NI_NUMERICSERV).service) ?? 0 }

  var family: Int32 { withStorage { storage, _ in Int32(storage.pointee.ss_family) } }

  /// Calls the body with the address in the form that bind and connect want.
  func withStorage<R>(_ body: (UnsafePointer<sockaddr_storage>, socklen_t) -> R) -> R {
    var storage = sockaddr_storage()
    withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
    return body(&storage, socklen_t(bytes.count))
  }

  private func numeric(_ flag: Int32) -> (host: String, service: String) {
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    var service = [CChar](repeating: 0, count: Int(NI_MAXSERV))
    let result = withStorage { storage, length in
      storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        getnameinfo(
          $0, length, &host, socklen_t(host.count), &service, socklen_t(service.count),
          NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    guard result == 0 else { return ("", "") }
    return (text(host), text(service))
  }

  private func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

extension SocketAddress: CustomStringConvertible {
  /// As in a URL: `127.0.0.1:8080`, `[::1]:8080`.
  package var description: String { Self.text(host: host, port: port) }

  static func text(host: String, port: Int) -> String {
    host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
  }
}

// MARK: Resolution

extension SocketAddress {
  /// The addresses of a host name or literal, in the resolver's order, at least one. Waits on a
  /// Dispatch thread: the resolver blocks, and Swift's cooperative threads must not.
  package static func resolve(host: String, port: Int) async throws -> [SocketAddress] {
    try await withCheckedThrowingContinuation { continuation in
      DispatchQueue.global().async {
        continuation.resume(with: Result { try resolveBlocking(host: host, port: port) })
      }
    }
  }

  static func resolveBlocking(host: String, port: Int) throws(TransportError) -> [SocketAddress] {
    guard (0...65535).contains(port) else {
      throw .unresolvable(host: host, reason: "port \(port) is not between 0 and 65535")
    }
    guard !host.utf8.contains(0), !host.isEmpty else {
      throw .unresolvable(host: host, reason: "not a host name")
    }
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(unbracketed(host), String(port), &hints, &list)
    guard code == 0 else {
      throw .unresolvable(host: host, reason: String(cString: gai_strerror(code)))
    }
    defer { freeaddrinfo(list) }
    let addresses = sequence(first: list) { $0?.pointee.ai_next }
      .prefix { $0 != nil }
      .compactMap { entry in entry.flatMap { address(of: $0.pointee) } }
    guard !addresses.isEmpty else {
      throw .unresolvable(host: host, reason: "it has no IPv4 or IPv6 address")
    }
    return addresses
  }

  private static func address(of entry: addrinfo) -> SocketAddress? {
    guard let name = entry.ai_addr, Int(entry.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size
    else { return nil }
    var storage = sockaddr_storage()
    withUnsafeMutableBytes(of: &storage) {
      $0.copyMemory(from: UnsafeRawBufferPointer(start: name, count: Int(entry.ai_addrlen)))
    }
    return SocketAddress(storage, length: entry.ai_addrlen)
  }

  private static func unbracketed(_ host: String) -> String {
    host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  }
}

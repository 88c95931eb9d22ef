// Accepting connections. Where none can be taken (too many, or no descriptors left), the listener
// is masked and the clients wait in the kernel's queue: nothing is refused, and nothing spins.

import CLinux
import Dispatch
import Glibc

struct Listener {
  static let tag = UInt64.max

  let descriptor: Int32
  let options: ConnectionOptions
  let maximumConnections: Int
  let makeHandler: @Sendable () -> any ConnectionHandler
  var isPaused = false
}

extension EventLoop {
  /// Listens on the first of the host's addresses that can be bound; port 0 takes a free one.
  /// Returns the address that was bound. A loop listens on one address at a time.
  package func listen(
    on addresses: [SocketAddress], maximumConnections: Int, options: ConnectionOptions,
    makeHandler: @escaping @Sendable () -> any ConnectionHandler
  ) throws(TransportError) -> SocketAddress {
    stopListening()
    var failure = TransportError.unresolvable(host: "", reason: "no address given")
    for address in addresses {
      do throws(TransportError) {
        let (descriptor, bound) = try Self.bindSocket(to: address)
        listener = Listener(
          descriptor: descriptor, options: options, maximumConnections: max(1, maximumConnections),
          makeHandler: makeHandler)
        guard watch(descriptor, CLINUX_IN, tag: Listener.tag) else {
          let code = errno
          stopListening()
          throw .cannotListen(address: address.description, code: code)
        }
        return bound
      } catch {
        failure = error
      }
    }
    throw failure
  }

  func stopListening() {
    guard let listener else { return }
    unwatch(listener.descriptor)
    _ = close(listener.descriptor)
    self.listener = nil
  }

  private static func bindSocket(
    to address: SocketAddress
  ) throws(TransportError) -> (Int32, SocketAddress) {
    let name = address.description
    let descriptor = clinux_stream_socket(address.family)
    guard descriptor >= 0 else { throw .cannotListen(address: name, code: -descriptor) }
    // Sockets of a server that was just stopped must not keep the next one from starting.
    _ = clinux_reuse_address(descriptor)
    if address.family == AF_INET6 { _ = clinux_ipv6_only(descriptor) }
    var result = address.withStorage { clinux_bind(descriptor, $0, $1) }
    if result == 0, Glibc.listen(descriptor, 1024) != 0 { result = -errno }
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    if result == 0 { result = clinux_local_address(descriptor, &storage, &length) }
    guard result == 0, let bound = SocketAddress(storage, length: length) else {
      _ = close(descriptor)
      if result == -EADDRINUSE { throw .addressInUse(address: name) }
      throw .cannotListen(address: name, code: -result)
    }
    return (descriptor, bound)
  }

  // MARK: Accepting

  /// Takes what waits, in a bounded batch: the rest is still ready in the next round.
  func acceptReady() {
    for _ in 0..<64 {
      guard let listener, !listener.isPaused else { return }
      if connections.count >= listener.maximumConnections { return pauseAccepting() }
      var storage = sockaddr_storage()
      var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
      let descriptor = clinux_accept(listener.descriptor, &storage, &length)
      if descriptor >= 0 {
        _ = clinux_no_delay(descriptor)
        _ = adopt(
          SocketStream(descriptor: descriptor), peer: SocketAddress(storage, length: length),
          options: listener.options, handler: listener.makeHandler())
        continue
      }
      switch -descriptor {
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return pauseAccepting()
      case EINTR, ECONNABORTED: continue
      default: return
      }
    }
  }

  /// An ignored ready listener would spin the loop.
  private func pauseAccepting() {
    guard let current = listener, !current.isPaused else { return }
    listener?.isPaused = true
    rewatch(current.descriptor, 0, tag: Listener.tag)
    // Descriptors may come free elsewhere in the process, where nobody tells this loop.
    executor.queue.asyncAfter(deadline: .now() + .milliseconds(100)) { [weak self] in
      self?.assumeIsolated { $0.resumeAccepting() }
    }
  }

  func resumeAccepting() {
    guard let current = listener, current.isPaused else { return }
    listener?.isPaused = false
    rewatch(current.descriptor, CLINUX_IN, tag: Listener.tag)
  }
}

// Non-blocking bytes in both directions: what a connection needs of a socket, and what TLS offers
// in the same shape. Streams belong to one connection on one event loop and hold no bytes back that
// readiness of the descriptor would not tell of.

import CLinux
import Glibc

/// What a descriptor must be ready for before a stream is asked again.
package enum Readiness: Sendable, Hashable {
  case readable, writable
}

package enum StreamOutcome: Sendable, Hashable {
  case transferred(Int)
  /// Nothing now. A stream with a protocol of its own may have to write before it can read, and the
  /// other way around.
  case wouldBlock(until: Readiness)
  /// The peer has finished sending (reads only).
  case end
  case failed(TransportError)
}

package protocol ByteStream: AnyObject {
  /// The descriptor to watch; readiness of it means that `read` or `write` may get further.
  var descriptor: Int32 { get }
  /// The buffer holds at least 16 KiB.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamOutcome
  func write(_ bytes: UnsafeRawBufferPointer) -> StreamOutcome
  /// Tells the peer that nothing more will come; reading goes on.
  func finishOutput()
  /// Gives the descriptor back. Called once, last.
  func close()
  /// Closes so that the peer sees a reset.
  func abort()
}

/// A plain TCP socket.
final class SocketStream: ByteStream {
  let descriptor: Int32

  /// Takes over the descriptor.
  init(descriptor: Int32) { self.descriptor = descriptor }

  func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamOutcome {
    while true {
      let count = recv(descriptor, buffer.baseAddress, buffer.count, 0)
      if count > 0 { return .transferred(count) }
      if count == 0 { return .end }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock(until: .readable)
      default: return .failed(.connectionClosed)
      }
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> StreamOutcome {
    while true {
      // MSG_NOSIGNAL: a peer that went away is an error here, never a SIGPIPE.
      let count = send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
      if count >= 0 { return .transferred(count) }
      switch errno {
      case EINTR: continue
      case EAGAIN: return .wouldBlock(until: .writable)
      default: return .failed(.connectionClosed)
      }
    }
  }

  func finishOutput() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

  func close() { _ = Glibc.close(descriptor) }

  func abort() { _ = clinux_close_with_reset(descriptor) }
}

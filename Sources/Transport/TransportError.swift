// What can go wrong with sockets, in words that say what to do. Errors carry the address as text,
// because that is what the person at the terminal typed.

import Glibc

package enum TransportError: Error, Sendable, Hashable {
  case unresolvable(host: String, reason: String)
  case addressInUse(address: String)
  case cannotListen(address: String, code: Int32)
  case cannotConnect(address: String, code: Int32)
  case cannotStartEventLoop(code: Int32)
  /// The peer closed or reset the connection, or this side did.
  case connectionClosed
  /// The peer sent or took nothing for longer than the connection's options allow.
  case timedOut
  case untrustedCertificate(host: String, reason: String)
  case tlsFailed(peer: String, reason: String)
  /// A file with certificates or a key.
  case unusableCertificates(path: String, reason: String)
  case cannotUseTLS(reason: String)
}

extension TransportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unresolvable(let host, let reason):
      return "host '\(host)' cannot be resolved: \(reason)"
    case .addressInUse(let address):
      return "\(address) is already in use: stop the program that listens there or choose "
        + "another port"
    case .cannotListen(let address, let code):
      return "cannot listen on \(address): \(systemMessage(code))\(Self.hint(code))"
    case .cannotConnect(let address, ECONNREFUSED):
      return "nothing listens on \(address) (connection refused): is the server running?"
    case .cannotConnect(let address, let code):
      return "cannot connect to \(address): \(systemMessage(code))"
    case .cannotStartEventLoop(let code):
      return "cannot create an epoll set: \(systemMessage(code))\(Self.hint(code))"
    case .connectionClosed:
      return "the connection is closed"
    case .timedOut:
      return "the other side has been silent for too long"
    case .untrustedCertificate(let host, let reason):
      return "the certificate of \(host) is not accepted: \(reason)"
    case .tlsFailed(let peer, let reason):
      return "no TLS connection with \(peer): \(reason)"
    case .unusableCertificates(let path, let reason):
      return "\(path) can't be used for TLS: \(reason)"
    case .cannotUseTLS(let reason):
      return "OpenSSL refuses to work: \(reason)"
    }
  }

  private static func hint(_ code: Int32) -> String {
    switch code {
    case EACCES: return " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
    case EADDRNOTAVAIL: return " (no network interface of this machine has that address)"
    case EMFILE, ENFILE: return " (raise the limit on open files: ulimit -n)"
    default: return ""
    }
  }
}

/// The system's words for an errno. glibc's strerror is thread-safe.
func systemMessage(_ code: Int32) -> String {
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}

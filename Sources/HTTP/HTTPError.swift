// The target's errors, and the failures of parsing that end a connection with a status.

package import HTTPTypes
package import Transport

package enum HTTPError: Error, Sendable {
  /// The client has closed the connection or its sending direction.
  case clientGone
  case transport(TransportError)
  /// The client side: not a URL that it can fetch.
  case badURL(String, reason: String)
  /// The client side: the server's answer is no HTTP/1.1.
  case badResponse(reason: String)
  /// The client side: the proxy on the way does not let it through.
  case proxy(String, reason: String)
}

extension HTTPError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .clientGone: "the client has gone"
    case .transport(let error): error.description
    case .badURL(let url, let reason): "'\(url)' cannot be fetched: \(reason)"
    case .badResponse(let reason): "the server's answer is not valid HTTP/1.1: \(reason)"
    case .proxy(let proxy, let reason): "the proxy \(proxy) can't be used: \(reason)"
    }
  }
}

/// A request that is refused before it is one: which status, and why. The connection ends with it,
/// since nobody can know where the next request would start.
package struct ProtocolFailure: Error, Sendable, Hashable {
  package var status: HTTPResponse.Status
  package var reason: String

  package init(_ status: HTTPResponse.Status, _ reason: String) {
    self.status = status
    self.reason = reason
  }
}

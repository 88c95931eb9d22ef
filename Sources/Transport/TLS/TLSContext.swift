// What the TLS connections of one program share (OpenSSL's SSL_CTX): which versions and whose
// certificates it accepts, and a server's own certificate. Relies on OpenSSL 3. Refuses TLS below 1.2,
// and files that hold no certificate or key.

import COpenSSL

/// Whom a client believes.
package enum TLSTrust: Sendable, Hashable {
  /// The certificate authorities that are installed on this system.
  case system
  /// Only those in a PEM file.
  case file(String)
}

package final class TLSContext: Sendable {
  enum Role: Sendable { case client, server }

  let role: Role
  // SAFETY: an SSL_CTX is counted and locked by OpenSSL itself, and not changed after init.
  nonisolated(unsafe) let handle: OpaquePointer

  private init(_ role: Role) throws(TransportError) {
    let method = role == .client ? TLS_client_method() : TLS_server_method()
    guard let handle = SSL_CTX_new(method) else {
      throw .cannotUseTLS(reason: TLSFailure.lastReason())
    }
    self.role = role
    self.handle = handle
    guard copenssl_set_up(handle) == 1 else {
      throw .cannotUseTLS(reason: TLSFailure.lastReason())
    }
  }

  deinit { SSL_CTX_free(handle) }

  /// For connections to servers whose certificates are checked.
  package static func client(trust: TLSTrust) throws(TransportError) -> TLSContext {
    let context = try TLSContext(.client)
    SSL_CTX_set_verify(context.handle, SSL_VERIFY_PEER, nil)
    switch trust {
    case .system:
      guard SSL_CTX_set_default_verify_paths(context.handle) == 1 else {
        throw .cannotUseTLS(reason: TLSFailure.lastReason())
      }
    case .file(let path):
      guard SSL_CTX_load_verify_file(context.handle, path) == 1 else {
        throw .unusableCertificates(path: path, reason: TLSFailure.lastReason())
      }
    }
    return context
  }

  /// For connections from clients.
  /// - Parameters:
  ///   - certificate: PEM file with the server's certificate and those between it and the authority
  ///   - key: PEM file with its private key
  package static func server(
    certificate: String, key: String
  ) throws(TransportError) -> TLSContext {
    let context = try TLSContext(.server)
    guard SSL_CTX_use_certificate_chain_file(context.handle, certificate) == 1 else {
      throw .unusableCertificates(path: certificate, reason: TLSFailure.lastReason())
    }
    guard SSL_CTX_use_PrivateKey_file(context.handle, key, SSL_FILETYPE_PEM) == 1,
      SSL_CTX_check_private_key(context.handle) == 1
    else { throw .unusableCertificates(path: key, reason: TLSFailure.lastReason()) }
    return context
  }
}

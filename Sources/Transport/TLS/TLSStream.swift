// TLS over another stream, for either side of a connection. The handshake happens inside of the first
// reads and writes, whose outcome says which readiness it waits for; nothing of the user's is sent before
// the peer's certificate has been accepted. Relies on OpenSSL reading no further than the record it is at,
// so that what is still to be read always shows in the descriptor's readiness. A peer that ends without
// TLS's own farewell has failed: what came may have been cut short.

import COpenSSL

final class TLSStream: ByteStream {
  /// The plaintext of one record at most (RFC 8446 section 5.1). A buffer of so many bytes leaves nothing
  /// decrypted behind that no readiness would tell of.
  private static let recordBytes = 1 << 14

  private let carrier: StreamCarrier
  private let ssl: OpaquePointer
  /// Whom this side believes to talk to, for messages.
  private let peer: String
  private var isBroken = false

  var descriptor: Int32 { carrier.stream.descriptor }

  /// - Parameter host: the name or address that a server's certificate must be for; nil on a server
  init(
    over stream: any ByteStream, _ context: TLSContext, host: String?
  ) throws(TransportError) {
    carrier = StreamCarrier(stream)
    peer = host ?? "the client"
    guard let ssl = SSL_new(context.handle) else {
      throw .cannotUseTLS(reason: TLSFailure.lastReason())
    }
    self.ssl = ssl
    guard let bio = carrier.makeBIO() else {
      throw .cannotUseTLS(reason: TLSFailure.lastReason())
    }
    SSL_set_bio(ssl, bio, bio)
    switch context.role {
    case .server: SSL_set_accept_state(ssl)
    case .client:
      SSL_set_connect_state(ssl)
      guard let host, Self.expect(host, on: ssl) else {
        throw .tlsFailed(peer: peer, reason: "it is not a name that a certificate can be for")
      }
    }
  }

  deinit { SSL_free(ssl) }

  /// Host name verification, and the name sent so that a server of many picks the right certificate
  /// (never for addresses: RFC 6066 section 3).
  private static func expect(_ host: String, on ssl: OpaquePointer) -> Bool {
    // An empty name would be no expectation at all, and C sees a name end at its first zero.
    guard !host.isEmpty, !host.utf8.contains(0) else { return false }
    let parameters = SSL_get0_param(ssl)
    X509_VERIFY_PARAM_set_hostflags(parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1 { return true }
    return SSL_set1_host(ssl, host) == 1 && copenssl_set_server_name(ssl, host) == 1
  }

  // MARK: ByteStream

  /// One record at most: the next one, or the peer's farewell, then still is where readiness tells of it.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> StreamOutcome {
    precondition(buffer.count >= Self.recordBytes, "a whole record must fit")
    let result = call { SSL_read(ssl, buffer.baseAddress, Int32(clamping: buffer.count)) }
    return result > 0 ? .transferred(Int(result)) : outcome(of: result)
  }

  func write(_ bytes: UnsafeRawBufferPointer) -> StreamOutcome {
    guard !bytes.isEmpty else { return .transferred(0) }
    let result = call { SSL_write(ssl, bytes.baseAddress, Int32(clamping: bytes.count)) }
    return result > 0 ? .transferred(Int(result)) : outcome(of: result)
  }

  func finishOutput() {
    sayFarewell()
    carrier.stream.finishOutput()
  }

  func close() {
    sayFarewell()
    carrier.stream.close()
  }

  func abort() { carrier.stream.abort() }

  // MARK: OpenSSL

  /// close_notify, if it goes out at once.
  private func sayFarewell() {
    guard !isBroken, SSL_is_init_finished(ssl) == 1 else { return }
    _ = call { SSL_shutdown(ssl) }
    ERR_clear_error()
  }

  /// Errors of earlier calls of this thread must not be taken for this one's.
  private func call(_ body: () -> Int32) -> Int32 {
    ERR_clear_error()
    return body()
  }

  private func outcome(of result: Int32) -> StreamOutcome {
    switch SSL_get_error(ssl, result) {
    case SSL_ERROR_WANT_READ: return .wouldBlock(until: .readable)
    case SSL_ERROR_WANT_WRITE: return .wouldBlock(until: .writable)
    case SSL_ERROR_ZERO_RETURN: return .end
    default:
      // After a fatal error, not even a farewell may be sent.
      isBroken = true
      return .failed(failure())
    }
  }

  private func failure() -> TransportError {
    if let failure = carrier.failure { return failure }
    let verdict = SSL_get_verify_result(ssl)
    if verdict != Int(X509_V_OK) {
      ERR_clear_error()
      return .untrustedCertificate(host: peer, reason: TLSFailure.certificateReason(verdict))
    }
    guard carrier.hasEnded else {
      return .tlsFailed(peer: peer, reason: TLSFailure.lastReason())
    }
    ERR_clear_error()
    return SSL_is_init_finished(ssl) == 1
      ? .connectionClosed
      : .tlsFailed(peer: peer, reason: "the connection was closed during the handshake")
  }
}

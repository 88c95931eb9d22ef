// OpenSSL's errors in words that say what to do. Relies on the calling thread having made the call that
// failed last: OpenSSL keeps a queue of errors per thread.

import COpenSSL

enum TLSFailure {
  /// Marks an errno among OpenSSL's errors.
  private static let systemFlag = UInt(Int32.max) + 1

  /// What OpenSSL says of this thread's last failure; the queue is empty afterwards.
  static func lastReason() -> String {
    defer { ERR_clear_error() }
    let code = ERR_peek_error()
    guard code != 0 else { return "no reason given" }
    if ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER {
      return "the other side does not speak TLS there (or none of its versions since 1.2)"
    }
    if code & systemFlag != 0 {
      return systemMessage(Int32(truncatingIfNeeded: code & ~systemFlag))
    }
    guard let text = ERR_reason_error_string(code) else { return "error \(code)" }
    return String(cString: text)
  }

  /// Why a certificate was not accepted.
  /// - Parameter code: as SSL_get_verify_result returns it
  static func certificateReason(_ code: Int) -> String {
    let text = X509_verify_cert_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    return text + remedy(code)
  }

  private static func remedy(_ code: Int) -> String {
    switch Int32(truncatingIfNeeded: code) {
    case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID:
      " (is this machine's clock right?)"
    case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
      " (the certificate is for another host)"
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
      X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
      X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      " (install the system's certificates, package ca-certificates, or name the file of the authority "
        + "that signed it in SSL_CERT_FILE)"
    default: ""
    }
  }
}

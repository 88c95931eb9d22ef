// Certificates for tests, made when they are needed: an authority, and servers' certificates that it
// signs, valid, expired or for another host. No key is ever in the repository and none grows too old.

import COpenSSL
import FoundationEssentials

/// An authority whose certificate and signatures exist only in a temporary folder.
package final class TestAuthority {
  /// PEM file with the authority's certificate: what a client is told to trust.
  package var file: String { folder.appending(path: "authority.pem").path }

  private let folder: URL
  private let certificate: OpaquePointer
  private let key: OpaquePointer
  private var issuedCount = 0

  package struct Failure: Error {
    package let step: String
  }

  /// A server's certificate with its key.
  package struct Issued: Sendable {
    package let certificate: String
    package let key: String
  }

  package init(name: String = "Martlet test authority") throws {
    folder = FileManager.default.temporaryDirectory
      .appending(path: "martlet-tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    key = try Self.newKey()
    certificate = try Self.newCertificate(
      name: name, serial: 1, days: -1...36_500, key: key, issuer: nil, issuerKey: key,
      extensions: [(NID_basic_constraints, "critical,CA:TRUE")])
    try write("authority.pem") { PEM_write_bio_X509($0, certificate) }
  }

  deinit {
    X509_free(certificate)
    EVP_PKEY_free(key)
    try? FileManager.default.removeItem(at: folder)
  }

  /// - Parameters:
  ///   - names: as OpenSSL's configuration has them: `DNS:example.org`, `IP:127.0.0.1`
  ///   - days: from when to when it is valid, seen from now
  package func issue(
    _ names: String = "DNS:localhost,IP:127.0.0.1", days: ClosedRange<Int> = -1...36_500
  ) throws -> Issued {
    issuedCount += 1
    let key = try Self.newKey()
    defer { EVP_PKEY_free(key) }
    let issued = try Self.newCertificate(
      name: "server", serial: issuedCount + 1, days: days, key: key, issuer: certificate,
      issuerKey: self.key, extensions: [(NID_subject_alt_name, names)])
    defer { X509_free(issued) }
    let file = "server\(issuedCount)"
    try write(file + ".pem") { PEM_write_bio_X509($0, issued) }
    try write(file + ".key") { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
    return Issued(
      certificate: folder.appending(path: file + ".pem").path,
      key: folder.appending(path: file + ".key").path)
  }

  private func write(_ name: String, _ body: (OpaquePointer) -> Int32) throws {
    guard let file = BIO_new_file(folder.appending(path: name).path, "w") else {
      throw Failure(step: "open \(name)")
    }
    defer { BIO_free_all(file) }
    guard body(file) == 1 else { throw Failure(step: "write \(name)") }
  }

  private static func newKey() throws -> OpaquePointer {
    let context = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nil)
    defer { EVP_PKEY_CTX_free(context) }
    var key: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1, EVP_PKEY_keygen(context, &key) == 1, let key else {
      throw Failure(step: "make a key")
    }
    return key
  }

  private static func newCertificate(
    name: String, serial: Int, days: ClosedRange<Int>, key: OpaquePointer, issuer: OpaquePointer?,
    issuerKey: OpaquePointer, extensions: [(Int32, String)]
  ) throws -> OpaquePointer {
    guard let certificate = X509_new() else { throw Failure(step: "make a certificate") }
    X509_set_version(certificate, 2)
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial)
    X509_gmtime_adj(X509_getm_notBefore(certificate), days.lowerBound * 86_400)
    X509_time_adj_ex(X509_getm_notAfter(certificate), Int32(days.upperBound), 0, nil)
    X509_set_pubkey(certificate, key)
    let subject = X509_get_subject_name(certificate)
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0)
    X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0) } ?? subject)
    var context = X509V3_CTX()
    X509V3_set_ctx(&context, issuer ?? certificate, certificate, nil, nil, 0)
    for (kind, value) in extensions {
      let made = X509V3_EXT_conf_nid(nil, &context, kind, value)
      defer { X509_EXTENSION_free(made) }
      guard X509_add_ext(certificate, made, -1) == 1 else { throw Failure(step: "add \(value)") }
    }
    guard X509_sign(certificate, issuerKey, nil) > 0 else { throw Failure(step: "sign") }
    return certificate
  }
}

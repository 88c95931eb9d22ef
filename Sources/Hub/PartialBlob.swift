// A file of the cache while it arrives: `HASH.incomplete`, appended to in order, so that whatever ends the
// pull leaves the file's beginning and the next one goes on from there. Renamed to its hash only when the
// content has that hash. Blocks: for a queue of its own.

import CLinux
import Glibc

final class PartialBlob {
  private let path: String
  private let file: HubFile
  private let descriptor: Int32
  private var hasher: HubHasher
  /// Bytes that have been taken.
  private(set) var count = 0

  /// Opens what an earlier pull has left, or begins anew.
  init(path: String, file: HubFile) throws(HubError) {
    self.path = path
    self.file = file
    hasher = try Self.newHasher(file)
    descriptor = clinux_open(path, O_RDWR | O_CREAT, 0o666)
    guard descriptor >= 0 else { throw .fileFailure(path: path, code: -descriptor) }
    try takeStock()
  }

  deinit { _ = close(descriptor) }

  private static func newHasher(_ file: HubFile) throws(HubError) -> HubHasher {
    guard let hasher = HubHasher(for: file.digest, byteCount: file.byteCount) else {
      throw .fileFailure(path: "libcrypto", code: ENOSYS)
    }
    return hasher
  }

  /// Hashes what is there.
  private func takeStock() throws(HubError) {
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let read = buffer.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if read == 0 { break }
      if read < 0, errno == EINTR { continue }
      guard read > 0 else { throw .fileFailure(path: path, code: errno) }
      guard count + read <= file.byteCount else { return try restart() }
      hasher.update(Array(buffer.prefix(read)))
      count += read
    }
  }

  var isComplete: Bool { count == file.byteCount }

  /// Throws away what there is.
  func restart() throws(HubError) {
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw .fileFailure(path: path, code: errno)
    }
    hasher = try Self.newHasher(file)
    count = 0
  }

  /// False where the file would become longer than it is on the hub; nothing is written then.
  func append(_ bytes: [UInt8]) throws(HubError) -> Bool {
    guard bytes.count <= file.byteCount - count else { return false }
    var rest = bytes[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if written < 0, errno == EINTR { continue }
      guard written >= 0 else { throw .fileFailure(path: path, code: errno) }
      rest = rest.dropFirst(written)
    }
    hasher.update(bytes)
    count += bytes.count
    return true
  }

  /// Gives the complete file its name. False, and the file is begun anew, where its content is another
  /// than announced.
  func finish(as destination: String) throws(HubError) -> Bool {
    let found = hasher.finish()
    hasher = try Self.newHasher(file)
    guard found == file.digest.text else {
      try restart()
      return false
    }
    // The name must not be there before the content.
    guard fsync(descriptor) == 0, rename(path, destination) == 0 else {
      throw .fileFailure(path: path, code: errno)
    }
    return true
  }

  /// Removes the file.
  func discard() { _ = unlink(path) }
}

// Tells a checkpoint's content apart from any other that is or was at the same place, without
// reading all of it: what the file system says of each file, and a checksum of samples for file
// systems whose times can't be relied on.

package struct CheckpointIdentity: Sendable {
  /// A line per file.
  package let description: String
  private let files: [(path: String, status: FileStatus)]

  private static let sampleCount = 64
  private static let sampleByteCount = 4096

  /// Nil where a file has been changed or replaced since it was opened.
  package init?(_ files: [MappedFile]) {
    for file in files { file.status.waitUntilTimesTell() }
    self.files = files.map { ($0.path, $0.status) }
    description = files.map { file in
      let status = file.status
      let samples = file.withBytes { Self.samples(of: $0) }
      return "file \(status.inode) \(status.byteCount) \(status.modified) \(status.changed) "
        + "\(Checksum.hexadecimal(samples))\n"
    }.joined()
    guard isCurrent else { return nil }
  }

  /// Whether the files are still what they were when they were opened.
  package var isCurrent: Bool {
    files.allSatisfy { FileStatus(path: $0.path) == $0.status }
  }

  private static func samples(of bytes: UnsafeRawBufferPointer) -> UInt64 {
    let last = max(0, bytes.count - sampleByteCount)
    let sums = (0..<sampleCount).map { index in
      let start = last / (sampleCount - 1) * index
      return Checksum.of(
        UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + sampleByteCount)]))
    }
    return sums.withUnsafeBytes { Checksum.of($0) }
  }
}

// One file of packed weights: a header that says what it holds, then the bytes of the weights as
// they lie in memory. Whoever reads it knows beforehand what the header must say, so nothing in the
// file is believed: description, sizes and checksums must match, or it is refused with the reason.
// Written aside, flushed, then renamed: there are whole files or none.
//
//   magic, byte counts of description, data and pieces (UInt64 each), description, a checksum per
//   piece of the data, a checksum of all before it; data from the next multiple of 4096 bytes on

import CLinux
import Checkpoints
import Compute
import Glibc
import Synchronization

struct PackedWeightFile: Sendable {
  let path: String
  /// What the data are, as text: two files of equal description hold equal data.
  let description: String
  let dataByteCount: Int

  enum Failure: Error, Equatable, CustomStringConvertible {
    case absent
    case unusable(reason: String)

    var description: String {
      switch self {
      case .absent: "there is none"
      case .unusable(let reason): reason
      }
    }
  }

  private static let magic: UInt64 = 0x3157_544C_5452_414D  // "MARTLTW1"
  static let pieceByteCount = 4 << 20

  private var pieceCount: Int { (dataByteCount + Self.pieceByteCount - 1) / Self.pieceByteCount }
  private var checksumOffset: Int { 4 * 8 + description.utf8.count }
  private var headerByteCount: Int { checksumOffset + (pieceCount + 1) * 8 }
  var dataOffset: Int { (headerByteCount + 4095) / 4096 * 4096 }

  private func piece(_ index: Int) -> Range<Int> {
    let start = index * Self.pieceByteCount
    return start..<min(start + Self.pieceByteCount, dataByteCount)
  }

  private func header(checksums: [UInt64]) -> [UInt8] {
    var bytes: [UInt8] = []
    func append(_ value: UInt64) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    append(Self.magic)
    append(UInt64(description.utf8.count))
    append(UInt64(dataByteCount))
    append(UInt64(Self.pieceByteCount))
    bytes += Array(description.utf8)
    for checksum in checksums { append(checksum) }
    append(bytes.withUnsafeBytes { Checksum.of($0) })
    return bytes
  }

  // MARK: - Reading

  /// Reads the data into `buffer`, several pieces at a time.
  func read(into buffer: AlignedBuffer, pool: ThreadPool) throws(Failure) {
    precondition(buffer.byteCount >= dataByteCount)
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw errno == ENOENT ? .absent : .unusable(reason: Self.reason("opening it", errno))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unusable(reason: Self.reason("looking at it", errno))
    }
    try check(byteCount: status.st_size)
    var header = [UInt8](repeating: 0, count: headerByteCount)
    guard
      header.withUnsafeMutableBytes({ Self.readAll(descriptor, offset: 0, into: $0) })
    else { throw .unusable(reason: Self.reason("reading it", errno)) }
    let checksums = try checksums(of: header)
    try verify(checksums, pool: pool) { piece in
      let target = UnsafeMutableRawBufferPointer(
        start: buffer.pointer + piece.lowerBound, count: piece.count)
      guard Self.readAll(descriptor, offset: dataOffset + piece.lowerBound, into: target)
      else { return nil }
      return Checksum.of(UnsafeRawBufferPointer(target))
    }
  }

  /// Maps the file instead of reading it; all of it has been checked.
  func map(pool: ThreadPool) throws(Failure) -> MappedFile {
    let file: MappedFile
    do throws(ModelError) {
      file = try MappedFile(path: path, remedy: "")
    } catch {
      if case .missingFile = error { throw .absent }
      throw .unusable(reason: "\(error)")
    }
    try check(byteCount: file.byteCount)
    let checksums = try checksums(of: file.withBytes { Array($0.prefix(headerByteCount)) })
    try verify(checksums, pool: pool) { piece in
      file.withBytes {
        Checksum.of(
          UnsafeRawBufferPointer(
            rebasing: $0[(dataOffset + piece.lowerBound)..<(dataOffset + piece.upperBound)]))
      }
    }
    return file
  }

  private func check(byteCount: Int) throws(Failure) {
    let expected = dataOffset + dataByteCount
    guard byteCount == expected else {
      throw .unusable(reason: "it has \(byteCount) bytes instead of \(expected)")
    }
  }

  /// The checksums in a header, which must be the one that `write` would have written.
  private func checksums(of header: [UInt8]) throws(Failure) -> [UInt64] {
    let checksums = header.withUnsafeBytes { bytes in
      (0..<pieceCount).map {
        UInt64(
          littleEndian: bytes.loadUnaligned(
            fromByteOffset: checksumOffset + $0 * 8, as: UInt64.self))
      }
    }
    guard self.header(checksums: checksums) == header else {
      throw .unusable(reason: "its header is damaged or describes other weights")
    }
    return checksums
  }

  /// - Parameter checksum: of a piece as it is now, nil where it can't be read.
  private func verify(
    _ checksums: [UInt64], pool: ThreadPool, checksum: @Sendable (Range<Int>) -> UInt64?
  ) throws(Failure) {
    let damaged = Atomic<Int>(-1)
    pool.parallelFor(pieceCount) { range in
      for index in range where checksum(piece(index)) != checksums[index] {
        damaged.store(index, ordering: .relaxed)
      }
    }
    let index = damaged.load(ordering: .relaxed)
    guard index < 0 else {
      throw .unusable(
        reason: "its bytes from \(dataOffset + piece(index).lowerBound) on are damaged")
    }
  }

  /// False at the end of the file or where reading fails.
  private static func readAll(
    _ descriptor: Int32, offset: Int, into target: UnsafeMutableRawBufferPointer
  ) -> Bool {
    var done = 0
    while done < target.count {
      let count = pread(
        descriptor, target.baseAddress.map { $0 + done }, target.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  // MARK: - Writing

  static let partialSuffix = ".partial"

  /// Removes a partial file whose writer is no more.
  static func removeIfAbandoned(_ partial: String) {
    let descriptor = open(partial, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    if clinux_lock_exclusively(descriptor) == 0 { unlink(partial) }
  }

  /// Writes the file; nothing is left behind where that fails.
  func write(_ data: UnsafeRawBufferPointer) throws(Failure) {
    precondition(data.count == dataByteCount)
    let partial = "\(path).\(UInt32.random(in: 0 ... .max))\(Self.partialSuffix)"
    let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .unusable(reason: Self.reason("creating it", errno)) }
    defer { close(descriptor) }
    // Held while writing: an unlocked partial file is one whose writer died.
    _ = clinux_lock_exclusively(descriptor)
    do throws(Failure) {
      try write(data, to: descriptor)
      guard rename(partial, path) == 0 else {
        throw .unusable(reason: Self.reason("renaming it", errno))
      }
    } catch {
      unlink(partial)
      throw error
    }
    if let slash = path.lastIndex(of: "/") { _ = clinux_sync_directory(String(path[..<slash])) }
  }

  private func write(
    _ data: UnsafeRawBufferPointer, to descriptor: Int32
  ) throws(Failure) {
    let pieces = (0..<pieceCount).map { UnsafeRawBufferPointer(rebasing: data[piece($0)]) }
    var head = header(checksums: pieces.map { Checksum.of($0) })
    head += [UInt8](repeating: 0, count: dataOffset - head.count)
    guard head.withUnsafeBytes({ Self.writeAll(descriptor, $0) }),
      pieces.allSatisfy({ Self.writeAll(descriptor, $0) })
    else { throw .unusable(reason: Self.reason("writing it", errno)) }
    guard fsync(descriptor) == 0 else { throw .unusable(reason: Self.reason("flushing it", errno)) }
  }

  private static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = Glibc.write(
        descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }

  private static func reason(_ what: String, _ code: Int32) -> String {
    "\(what) failed: \(String(cString: strerror(code)))"
  }
}

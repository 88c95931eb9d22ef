// A file that saves making an index anew: pieces of memory with what they were made from. It is
// mapped, not read, and taken only when its identity is the expected one and every checksum holds;
// anything else, and any failure, means that there is no snapshot.
// Written aside, synced and renamed: a crash leaves the old file or the new one.

package import Compute
import Glibc

// SAFETY: the mapping is private and read-only, and lives as long as this object.
package final class SnapshotFile: @unchecked Sendable {
  private let mapping: UnsafeRawBufferPointer
  private(set) var sections: [UnsafeRawBufferPointer] = []

  private static let magic: UInt64 = 0x3158_4449_4C54_524D  // "MRTLIDX1"
  private static let alignment = 4096

  /// What follows the identity: where a section lies, its length, its checksum.
  private struct Entry: BitwiseCopyable {
    var offset, byteCount, checksum: UInt64
  }

  private struct Header: BitwiseCopyable {
    var magic, checksum, identityByteCount, sectionCount: UInt64
  }

  /// Opens the file if it is there, whole, and of this identity.
  package init?(path: String, identity: String, pool: ThreadPool) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size >= Self.alignment,
      let address = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0),
      address != MAP_FAILED
    else { return nil }
    mapping = UnsafeRawBufferPointer(start: address, count: Int(status.st_size))
    guard let entries = Self.entries(in: mapping, identity: identity, pool) else { return nil }
    for entry in entries {
      let end = entry.offset.addingReportingOverflow(entry.byteCount)
      guard !end.overflow, end.partialValue <= UInt64(mapping.count), entry.byteCount % 64 == 0
      else { return nil }
      let section = UnsafeRawBufferPointer(
        rebasing: mapping[Int(entry.offset)..<Int(end.partialValue)])
      guard Checksum.of(section, pool) == entry.checksum else { return nil }
      sections.append(section)
    }
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: mapping.baseAddress), mapping.count) }

  private static func entries(
    in file: UnsafeRawBufferPointer, identity: String, _ pool: ThreadPool
  ) -> [Entry]? {
    let header = file.load(as: Header.self)
    guard header.magic == magic, header.identityByteCount == UInt64(identity.utf8.count),
      header.sectionCount <= 1 << 16
    else { return nil }
    let byteCount = headByteCount(identity, Int(header.sectionCount))
    guard byteCount <= file.count else { return nil }
    var head = Array(file[..<byteCount])
    head.replaceSubrange(8..<16, with: repeatElement(0, count: 8))
    guard head.withUnsafeBytes({ Checksum.of($0, pool) }) == header.checksum,
      file[MemoryLayout<Header>.size...].starts(with: identity.utf8)
    else { return nil }
    let first = entriesOffset(identity)
    return (0..<Int(header.sectionCount)).map { number in
      file.load(fromByteOffset: first + number * MemoryLayout<Entry>.stride, as: Entry.self)
    }
  }

  private static func entriesOffset(_ identity: String) -> Int {
    roundUp(MemoryLayout<Header>.size + identity.utf8.count, 8)
  }

  private static func headByteCount(_ identity: String, _ sectionCount: Int) -> Int {
    roundUp(entriesOffset(identity) + sectionCount * MemoryLayout<Entry>.stride, alignment)
  }

  private static func roundUp(_ value: Int, _ unit: Int) -> Int { (value + unit - 1) / unit * unit }

  /// Whether there is a file of this identity, whole or not.
  package static func exists(path: String, identity: String) -> Bool {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var head = [UInt8](repeating: 0, count: MemoryLayout<Header>.size + identity.utf8.count)
    guard pread(descriptor, &head, head.count, 0) == head.count else { return false }
    let header = head.withUnsafeBytes { $0.loadUnaligned(as: Header.self) }
    return header.magic == magic && header.identityByteCount == UInt64(identity.utf8.count)
      && head.suffix(identity.utf8.count).elementsEqual(identity.utf8)
  }

  /// The first `count` values of a section; nil where there aren't so many.
  package func values<T: BitwiseCopyable>(
    _ type: T.Type = T.self, section: Int, count: Int
  ) -> [T]? {
    guard section < sections.count, count >= 0,
      count <= sections[section].count / MemoryLayout<T>.stride
    else { return nil }
    return withExtendedLifetime(self) {
      Array(sections[section].bindMemory(to: T.self)[..<count])
    }
  }

  // MARK: Writing

  /// Whether the file was written. Zeros fill each section up to a multiple of 64 bytes.
  package static func write(
    _ sections: [UnsafeRawBufferPointer], identity: String, to path: String, _ pool: ThreadPool
  ) -> Bool {
    let aside = path + ".new"
    let descriptor = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return false }
    let head = head(sections, identity, pool)
    var isWritten = head.withUnsafeBytes { put($0, at: 0, descriptor) }
    var offset = head.count
    for section in sections where isWritten {
      // Synced bit by bit: a file system that has all of a large file to write at once keeps those
      // waiting who sync anything else, such as commits.
      isWritten = put(section, at: offset, descriptor) && fdatasync(descriptor) == 0
      offset += roundUp(section.count, alignment)
    }
    isWritten = isWritten && ftruncate(descriptor, offset) == 0 && fsync(descriptor) == 0
    isWritten = close(descriptor) == 0 && isWritten
    guard isWritten, rename(aside, path) == 0 else {
      unlink(aside)
      return false
    }
    return true
  }

  private static func head(
    _ sections: [UnsafeRawBufferPointer], _ identity: String, _ pool: ThreadPool
  ) -> [UInt8] {
    let byteCount = headByteCount(identity, sections.count)
    var header = Header(
      magic: magic, checksum: 0, identityByteCount: UInt64(identity.utf8.count),
      sectionCount: UInt64(sections.count))
    var offset = byteCount
    let entries = sections.map { section in
      defer { offset += roundUp(section.count, alignment) }
      return Entry(
        offset: UInt64(offset), byteCount: UInt64(roundUp(section.count, 64)),
        checksum: Checksum.of(section, pool))
    }
    var head = [UInt8](repeating: 0, count: byteCount)
    head.withUnsafeMutableBytes { bytes in
      bytes.storeBytes(of: header, as: Header.self)
      bytes[MemoryLayout<Header>.size...].copyBytes(from: Array(identity.utf8))
      for (number, entry) in entries.enumerated() {
        bytes.storeBytes(
          of: entry,
          toByteOffset: entriesOffset(identity) + number * MemoryLayout<Entry>.stride,
          as: Entry.self)
      }
      header.checksum = Checksum.of(UnsafeRawBufferPointer(bytes), pool)
      bytes.storeBytes(of: header, as: Header.self)
    }
    return head
  }

  private static func put(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ descriptor: Int32)
    -> Bool
  {
    var done = 0
    while done < bytes.count, let base = bytes.baseAddress {
      let count = pwrite(descriptor, base + done, bytes.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }
}

// Where the entries of a zip archive lie in its file, read from its central directory (PKWARE's
// APPNOTE.TXT, sections 4.3 and 4.5.3), and what they hold, stored or deflated. Relies on nothing
// in the file. Refuses names that come twice, and reading encrypted or otherwise compressed entries.

import CZlib

package struct ZipArchive: Sendable {
  package struct Entry: Sendable, Hashable {
    /// As it stands in the archive: UTF-8, or whatever the machine that wrote it used.
    package var nameBytes: [UInt8]
    /// Within the archive.
    package var data: Range<Int>
    /// Bytes once decompressed, as the directory says.
    package var size: Int
    package var isEncrypted: Bool
    var method: UInt16
    var checksum: UInt32

    /// Its bytes are its contents.
    package var isStored: Bool { method == 0 && !isEncrypted && data.count == size }

    /// For messages; bytes that are not UTF-8 are replaced.
    package var name: String { String(decoding: nameBytes, as: UTF8.self) }
  }

  /// In the order of the directory.
  package private(set) var entries: [Entry] = []
  private var places: [[UInt8]: Int] = [:]

  private static let endSignature: UInt32 = 0x0605_4b50
  private static let endByteCount = 22
  private static let largestComment = Int(UInt16.max)

  package static func isArchive(_ bytes: some Sequence<UInt8>) -> Bool {
    bytes.starts(with: [0x50, 0x4b, 0x03, 0x04])
  }

  /// - Parameter bytes: all of the file
  package init(of bytes: UnsafeRawBufferPointer) throws(ArchiveError) {
    let (offset, count) = try Self.directory(of: bytes)
    guard let start = Int(exactly: offset), start <= bytes.count else {
      throw .malformed("its central directory begins after its end")
    }
    var reader = ArchiveReader(bytes, from: start, subject: "its central directory")
    for _ in 0..<count {
      let entry = try Self.entry(&reader, of: bytes)
      guard places.updateValue(entries.count, forKey: entry.nameBytes) == nil else {
        throw .malformed("its entry \(entry.name) is listed twice")
      }
      entries.append(entry)
    }
  }

  package func entry(named name: String) -> Entry? {
    places[Array(name.utf8)].map { entries[$0] }
  }

  /// What an entry holds, its checksum compared.
  /// - Parameters:
  ///   - bytes: those that the archive was read from
  ///   - limit: the most bytes it may decompress to, whatever the directory says
  package static func contents(
    of entry: Entry, in bytes: UnsafeRawBufferPointer, limit: Int
  ) throws(ArchiveError) -> [UInt8] {
    guard !entry.isEncrypted else {
      throw .malformed("its entry \(entry.name) is encrypted")
    }
    guard entry.size <= limit else {
      throw .tooLarge("its entry \(entry.name)", limit: limit)
    }
    let data = UnsafeRawBufferPointer(rebasing: bytes[entry.data])
    let contents: [UInt8]
    switch entry.method {
    case 0: contents = Array(data)
    case 8:
      contents = try Inflate.bytes(
        of: data, .raw, limit: entry.size, subject: "its entry \(entry.name)")
    default:
      throw .malformed(
        "its entry \(entry.name) is compressed by method \(entry.method); only deflate is read")
    }
    let checksum = contents.withUnsafeBufferPointer { contents in
      crc32_z(0, contents.baseAddress, contents.count)
    }
    guard contents.count == entry.size, contents.isEmpty || checksum == UInt(entry.checksum) else {
      throw .malformed("its entry \(entry.name) is damaged: size or checksum differ")
    }
    return contents
  }

  // MARK: The directory

  /// Where the central directory begins and how many entries it has.
  private static func directory(of bytes: UnsafeRawBufferPointer) throws(ArchiveError)
    -> (offset: UInt64, count: UInt64)
  {
    let last = bytes.count - endByteCount
    let first = max(0, last - largestComment)
    let end = stride(from: last, through: first, by: -1).first {
      UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
        == endSignature
    }
    guard let end else {
      throw .malformed("it is a zip archive without an end; the download was cut off")
    }
    var reader = ArchiveReader(bytes, from: end + 10, subject: "its end record")
    let count: UInt16 = try reader.integer()
    _ = try reader.integer(UInt32.self)
    let offset: UInt32 = try reader.integer()
    guard count == .max || offset == .max else { return (UInt64(offset), UInt64(count)) }
    return try largeDirectory(of: bytes, end: end)
  }

  /// The same from the records that archives beyond 4 GB or 65,535 entries have (zip64).
  private static func largeDirectory(of bytes: UnsafeRawBufferPointer, end: Int)
    throws(ArchiveError) -> (offset: UInt64, count: UInt64)
  {
    let locatorByteCount = 20
    guard end >= locatorByteCount else { throw .malformed("it lacks its zip64 locator") }
    var reader = ArchiveReader(
      bytes, from: end - locatorByteCount, subject: "its zip64 locator")
    guard try reader.integer(UInt32.self) == 0x0706_4b50 else {
      throw .malformed("it lacks its zip64 locator")
    }
    _ = try reader.integer(UInt32.self)
    let position: UInt64 = try reader.integer()
    guard let start = Int(exactly: position), start <= bytes.count else {
      throw .malformed("its zip64 end record is beyond its end")
    }
    reader = ArchiveReader(bytes, from: start, subject: "its zip64 end record")
    guard try reader.integer(UInt32.self) == 0x0606_4b50 else {
      throw .malformed("it lacks its zip64 end record")
    }
    _ = try reader.bytes(28)
    let count: UInt64 = try reader.integer()
    _ = try reader.integer(UInt64.self)
    return (try reader.integer(), count)
  }

  private static func entry(_ reader: inout ArchiveReader, of bytes: UnsafeRawBufferPointer)
    throws(ArchiveError) -> Entry
  {
    guard try reader.integer(UInt32.self) == 0x0201_4b50 else {
      throw .malformed("its central directory holds something else than entries")
    }
    _ = try reader.bytes(4)
    let (flags, method) = (try reader.integer(UInt16.self), try reader.integer(UInt16.self))
    _ = try reader.bytes(4)
    let checksum = try reader.integer(UInt32.self)
    var stored = UInt64(try reader.integer(UInt32.self))
    var size = UInt64(try reader.integer(UInt32.self))
    let lengths = [
      try reader.integer(UInt16.self), try reader.integer(UInt16.self),
      try reader.integer(UInt16.self),
    ]
    _ = try reader.bytes(8)
    var offset = UInt64(try reader.integer(UInt32.self))
    let name = Array(try reader.bytes(lengths[0]))
    let extra = try reader.bytes(lengths[1])
    _ = try reader.bytes(lengths[2])
    try readLargeSizes(extra, &size, &stored, &offset)
    let label = String(decoding: name, as: UTF8.self)
    guard let size = Int(exactly: size) else {
      throw .malformed("its entry \(label) is larger than memory")
    }
    return Entry(
      nameBytes: name, data: try data(of: label, at: offset, stored, in: bytes), size: size,
      isEncrypted: flags & 1 != 0, method: method, checksum: checksum)
  }

  /// Sizes that don't fit into 32 bits follow in the extra field with number 1.
  private static func readLargeSizes(
    _ extra: UnsafeRawBufferPointer, _ size: inout UInt64, _ stored: inout UInt64,
    _ offset: inout UInt64
  ) throws(ArchiveError) {
    var reader = ArchiveReader(extra, subject: "an entry's extra field")
    while extra.count - reader.position >= 4 {
      let (kind, count) = (try reader.integer(UInt16.self), try reader.integer(UInt16.self))
      var field = ArchiveReader(try reader.bytes(count), subject: "an entry's zip64 field")
      guard kind == 1 else { continue }
      if size == UInt32.max { size = try field.integer() }
      if stored == UInt32.max { stored = try field.integer() }
      if offset == UInt32.max { offset = try field.integer() }
    }
  }

  /// An entry's data follow its local header, whose name and extra field have lengths of their own.
  private static func data(
    of name: String, at offset: UInt64, _ size: UInt64, in bytes: UnsafeRawBufferPointer
  ) throws(ArchiveError) -> Range<Int> {
    guard let start = Int(exactly: offset), start <= bytes.count else {
      throw .malformed("its entry \(name) begins after its end")
    }
    var reader = ArchiveReader(bytes, from: start, subject: "its entry \(name)")
    guard try reader.integer(UInt32.self) == 0x0403_4b50 else {
      throw .malformed("its entry \(name) is not where its central directory says")
    }
    _ = try reader.bytes(22)
    let (nameLength, extraLength) = (
      try reader.integer(UInt16.self), try reader.integer(UInt16.self)
    )
    _ = try reader.bytes(Int(nameLength) + Int(extraLength))
    let first = reader.position
    return first..<first + (try reader.bytes(size)).count
  }
}

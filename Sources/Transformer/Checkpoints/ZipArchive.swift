// Where the entries of a zip archive lie in its file, read from its central directory (PKWARE's
// APPNOTE.TXT, sections 4.3 and 4.5.3). Relies on nothing in the file. Refuses compressed and
// encrypted entries: what PyTorch writes is stored as it is, so that it can be mapped.

struct ZipArchive {
  /// By name; ranges within the file.
  private(set) var entries: [String: Range<Int>] = [:]

  private let bytes: UnsafeRawBufferPointer
  private let path: String

  private static let endSignature: UInt32 = 0x0605_4b50
  private static let endByteCount = 22
  private static let largestComment = Int(UInt16.max)

  static func isArchive(_ bytes: UnsafeRawBufferPointer) -> Bool {
    bytes.starts(with: [0x50, 0x4b, 0x03, 0x04])
  }

  /// - Parameters:
  ///   - bytes: all of the file
  ///   - path: named in errors
  init(of bytes: UnsafeRawBufferPointer, path: String) throws(ModelError) {
    self.bytes = bytes
    self.path = path
    let (offset, count) = try directory()
    guard let start = Int(exactly: offset), start <= bytes.count else {
      throw refusal("its central directory begins after its end")
    }
    var reader = ByteReader(bytes, from: start, path: path, subject: "its central directory")
    for _ in 0..<count { try readEntry(&reader) }
  }

  private func refusal(_ reason: String) -> ModelError {
    .malformedCheckpoint(path: path, reason: reason)
  }

  /// Where the central directory begins and how many entries it has.
  private func directory() throws(ModelError) -> (offset: UInt64, count: UInt64) {
    let last = bytes.count - Self.endByteCount
    let first = max(0, last - Self.largestComment)
    let end = stride(from: last, through: first, by: -1).first {
      UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self))
        == Self.endSignature
    }
    guard let end else {
      throw refusal("it is a zip archive without an end; the download was cut off")
    }
    var reader = ByteReader(bytes, from: end + 10, path: path, subject: "its end record")
    let count: UInt16 = try reader.integer()
    _ = try reader.integer(UInt32.self)
    let offset: UInt32 = try reader.integer()
    guard count == .max || offset == .max else { return (UInt64(offset), UInt64(count)) }
    return try largeDirectory(end: end)
  }

  /// The same from the records that archives beyond 4 GB or 65,535 entries have (zip64).
  private func largeDirectory(end: Int) throws(ModelError) -> (offset: UInt64, count: UInt64) {
    let locatorByteCount = 20
    guard end >= locatorByteCount else { throw refusal("it lacks its zip64 locator") }
    var reader = ByteReader(
      bytes, from: end - locatorByteCount, path: path, subject: "its zip64 locator")
    guard try reader.integer(UInt32.self) == 0x0706_4b50 else {
      throw refusal("it lacks its zip64 locator")
    }
    _ = try reader.integer(UInt32.self)
    let position: UInt64 = try reader.integer()
    guard let start = Int(exactly: position), start <= bytes.count else {
      throw refusal("its zip64 end record is beyond its end")
    }
    reader = ByteReader(bytes, from: start, path: path, subject: "its zip64 end record")
    guard try reader.integer(UInt32.self) == 0x0606_4b50 else {
      throw refusal("it lacks its zip64 end record")
    }
    _ = try reader.bytes(28)
    let count: UInt64 = try reader.integer()
    _ = try reader.integer(UInt64.self)
    return (try reader.integer(), count)
  }

  private mutating func readEntry(_ reader: inout ByteReader) throws(ModelError) {
    guard try reader.integer(UInt32.self) == 0x0201_4b50 else {
      throw refusal("its central directory holds something else than entries")
    }
    _ = try reader.bytes(4)
    let (flags, method) = (try reader.integer(UInt16.self), try reader.integer(UInt16.self))
    _ = try reader.bytes(8)
    var stored = UInt64(try reader.integer(UInt32.self))
    var size = UInt64(try reader.integer(UInt32.self))
    let lengths = [
      try reader.integer(UInt16.self), try reader.integer(UInt16.self),
      try reader.integer(UInt16.self),
    ]
    _ = try reader.bytes(8)
    var offset = UInt64(try reader.integer(UInt32.self))
    let name = try reader.string(lengths[0])
    let extra = try reader.bytes(lengths[1])
    _ = try reader.bytes(lengths[2])
    try readLargeSizes(extra, &size, &stored, &offset)
    guard method == 0, size == stored, flags & 1 == 0 else {
      throw refusal("its entry \(name) is compressed or encrypted, which PyTorch never writes")
    }
    guard entries.updateValue(try data(of: name, at: offset, size), forKey: name) == nil else {
      throw refusal("its entry \(name) is listed twice")
    }
  }

  /// Sizes that don't fit into 32 bits follow in the extra field with number 1.
  private func readLargeSizes(
    _ extra: UnsafeRawBufferPointer, _ size: inout UInt64, _ stored: inout UInt64,
    _ offset: inout UInt64
  ) throws(ModelError) {
    var reader = ByteReader(extra, path: path, subject: "an entry's extra field")
    while extra.count - reader.position >= 4 {
      let (kind, count) = (try reader.integer(UInt16.self), try reader.integer(UInt16.self))
      var field = ByteReader(
        try reader.bytes(count), path: path, subject: "an entry's zip64 field")
      guard kind == 1 else { continue }
      if size == UInt32.max { size = try field.integer() }
      if stored == UInt32.max { stored = try field.integer() }
      if offset == UInt32.max { offset = try field.integer() }
    }
  }

  /// An entry's data follow its local header, whose name and extra field have lengths of their own.
  private func data(of name: String, at offset: UInt64, _ size: UInt64) throws(ModelError)
    -> Range<Int>
  {
    guard let start = Int(exactly: offset), start <= bytes.count else {
      throw refusal("its entry \(name) begins after its end")
    }
    var reader = ByteReader(bytes, from: start, path: path, subject: "its entry \(name)")
    guard try reader.integer(UInt32.self) == 0x0403_4b50 else {
      throw refusal("its entry \(name) is not where its central directory says")
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

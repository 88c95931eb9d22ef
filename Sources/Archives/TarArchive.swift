// Where the files of a tar archive lie: POSIX ustar, with long names as pax and GNU tar write them.
// Relies on nothing in the file. Refuses headers whose checksum is wrong and sizes beyond the end;
// links, devices and folders are left out.

package struct TarArchive: Sendable {
  package struct Entry: Sendable, Hashable {
    package var nameBytes: [UInt8]
    /// Within the archive.
    package var data: Range<Int>

    /// For messages; bytes that are not UTF-8 are replaced.
    package var name: String { String(decoding: nameBytes, as: UTF8.self) }
  }

  /// In the order of the archive.
  package private(set) var entries: [Entry] = []

  private static let blockByteCount = 512

  /// The magic of ustar, or of GNU tar, where a header has it.
  package static func isArchive(_ bytes: [UInt8]) -> Bool {
    bytes.count >= blockByteCount && bytes[257..<262].elementsEqual("ustar".utf8)
  }

  /// - Parameter bytes: all of the file
  package init(of bytes: [UInt8]) throws(ArchiveError) {
    var position = 0
    // What an entry before it says about the next one.
    var longName: [UInt8]?
    while position + Self.blockByteCount <= bytes.count {
      let header = bytes[position..<position + Self.blockByteCount]
      if header.allSatisfy({ $0 == 0 }) { return }
      try Self.check(header)
      let size = try Self.size(header)
      let start = position + Self.blockByteCount
      guard size <= bytes.count - start else {
        throw .malformed("its entry \(Self.name(header).text) reaches beyond its end")
      }
      let data = start..<start + size
      switch Self.field(header, 156, 1).first ?? 0 {
      case UInt8(ascii: "0"), 0:
        entries.append(Entry(nameBytes: longName ?? Self.name(header), data: data))
        longName = nil
      case UInt8(ascii: "L"): longName = Array(bytes[data].prefix { $0 != 0 })
      case UInt8(ascii: "x"): longName = Self.paxPath(bytes[data]) ?? longName
      case UInt8(ascii: "g"): break
      default: longName = nil
      }
      let blocks = (size + Self.blockByteCount - 1) / Self.blockByteCount
      position = start + blocks * Self.blockByteCount
    }
    guard position >= bytes.count else {
      throw .malformed("it ends within a header of its tar archive")
    }
  }

  // MARK: Headers

  /// The field without what follows its first NUL.
  private static func field(_ header: ArraySlice<UInt8>, _ offset: Int, _ count: Int)
    -> ArraySlice<UInt8>
  {
    let start = header.startIndex + offset
    return header[start..<start + count].prefix { $0 != 0 }
  }

  private static func name(_ header: ArraySlice<UInt8>) -> [UInt8] {
    let prefix = field(header, 345, 155)
    let isPOSIX = header[(header.startIndex + 257)...].starts(with: Array("ustar\0".utf8))
    let name = Array(field(header, 0, 100))
    return isPOSIX && !prefix.isEmpty ? prefix + [UInt8(ascii: "/")] + name : name
  }

  /// The sum of the header's bytes with its own field taken as spaces.
  private static func check(_ header: ArraySlice<UInt8>) throws(ArchiveError) {
    let sumField = header.startIndex + 148..<header.startIndex + 156
    let sum = header.indices.reduce(0) { sum, index in
      sum + Int(sumField.contains(index) ? 0x20 : header[index])
    }
    guard octal(header[sumField]) == sum else {
      throw .malformed("it holds a tar header with a wrong checksum")
    }
  }

  private static func octal(_ digits: ArraySlice<UInt8>) -> Int? {
    let text = digits.drop { $0 == 0x20 }.prefix { $0 != 0 && $0 != 0x20 }
    if text.isEmpty { return 0 }
    return Int(String(decoding: text, as: UTF8.self), radix: 8)
  }

  /// Octal digits, or GNU's binary number with the highest bit set.
  private static func size(_ header: ArraySlice<UInt8>) throws(ArchiveError) -> Int {
    let start = header.startIndex + 124
    let digits = header[start..<start + 12]
    if header[start] & 0x80 != 0 {
      let isSmall = digits.dropFirst().prefix(4).allSatisfy { $0 == 0 } && header[start] == 0x80
      let value = digits.suffix(7).reduce(0) { $0 << 8 | Int($1) }
      if isSmall { return value }
    } else if let value = octal(digits), value >= 0 {
      return value
    }
    throw .malformed("it holds a tar header with an unusable size")
  }

  /// The path among pax records, "LENGTH key=value\n" each (POSIX.1-2017, pax, Extended Header).
  private static func paxPath(_ records: ArraySlice<UInt8>) -> [UInt8]? {
    var path: [UInt8]?
    var rest = records
    while let space = rest.firstIndex(of: UInt8(ascii: " ")) {
      let digits = String(decoding: rest[..<space], as: UTF8.self)
      guard let length = Int(digits), length > digits.utf8.count + 1, length <= rest.count else {
        break
      }
      let end = rest.startIndex + length
      let record = rest[rest.index(after: space)..<end - 1]
      if record.starts(with: Array("path=".utf8)) { path = Array(record.dropFirst(5)) }
      rest = rest[end...]
    }
    return path
  }
}

extension [UInt8] {
  fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}

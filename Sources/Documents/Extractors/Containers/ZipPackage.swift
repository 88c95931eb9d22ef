// A zip archive in memory that formats are made of: office documents, e-books, and archives for their
// own sake. Every part that is read counts against the limits of the extraction.

import Archives

struct ZipPackage {
  private let bytes: [UInt8]
  private let archive: ZipArchive

  init(_ bytes: [UInt8]) throws(DocumentError) {
    self.bytes = bytes
    archive = try DocumentError.reading { () throws(ArchiveError) in
      try bytes.withUnsafeBufferPointer { (buffer) throws(ArchiveError) in
        try ZipArchive(of: UnsafeRawBufferPointer(buffer))
      }
    }
  }

  var entries: [ZipArchive.Entry] { archive.entries }

  func has(_ name: String) -> Bool { archive.entry(named: name) != nil }

  /// nil where there is no such part.
  func part(_ name: String, _ context: inout ExtractionContext) throws(DocumentError) -> [UInt8]? {
    guard let entry = archive.entry(named: name) else { return nil }
    return try contents(of: entry, &context)
  }

  func contents(of entry: ZipArchive.Entry, _ context: inout ExtractionContext)
    throws(DocumentError) -> [UInt8]
  {
    let limit = context.limit(compressed: entry.data.count)
    let contents = try DocumentError.reading { () throws(ArchiveError) in
      try bytes.withUnsafeBufferPointer { (buffer) throws(ArchiveError) in
        try ZipArchive.contents(of: entry, in: UnsafeRawBufferPointer(buffer), limit: limit)
      }
    }
    try context.charge(bytes: contents.count)
    return contents
  }
}

extension DocumentError {
  /// What an archive refuses, as what a request is told.
  static func reading<R>(_ body: () throws(ArchiveError) -> R) throws(DocumentError) -> R {
    do throws(ArchiveError) {
      return try body()
    } catch {
      switch error {
      case .malformed(let reason): throw .invalidRequest(field: "body", message: reason)
      case .tooLarge: throw .documentTooLarge(message: "\(error)")
      }
    }
  }
}

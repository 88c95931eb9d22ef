// Archives as many documents: each member that some extractor reads goes through it, archives within
// archives too, down to a depth. Members are never written anywhere. Refuses names that lead out of
// the archive (absolute, or with ".."), because whoever made them meant no good.

import Archives
import JSON

enum ZipExtractor: Extractor {
  static let contentTypes = ["application/zip", "application/x-zip-compressed"]
  static let fileEndings = ["zip"]

  static func recognizes(_ bytes: [UInt8]) -> Bool { ZipArchive.isArchive(bytes) }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let package = try ZipPackage(source.bytes)
    var documents: [DocumentInput] = []
    for entry in package.entries {
      guard let name = try ArchiveMember.name(entry.nameBytes, charset: source.charset) else {
        continue
      }
      try context.chargeMember()
      let contents = try package.contents(of: entry, &context)
      documents += try ArchiveMember.documents(name, contents, of: source, &context)
    }
    return documents
  }
}

enum TarExtractor: Extractor {
  static let contentTypes = ["application/x-tar"]
  static let fileEndings = ["tar"]

  static func recognizes(_ bytes: [UInt8]) -> Bool { TarArchive.isArchive(bytes) }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let bytes = source.bytes
    let archive = try DocumentError.reading { () throws(ArchiveError) in try TarArchive(of: bytes)
    }
    var documents: [DocumentInput] = []
    for entry in archive.entries {
      guard let name = try ArchiveMember.name(entry.nameBytes, charset: source.charset) else {
        continue
      }
      try context.chargeMember()
      try context.charge(bytes: entry.data.count)
      documents += try ArchiveMember.documents(name, Array(bytes[entry.data]), of: source, &context)
    }
    return documents
  }
}

/// One file in gzip: what its name without `.gz` says, most often a tar archive. It is the source
/// itself, not a member of it.
enum GzipExtractor: Extractor {
  static let contentTypes = ["application/gzip", "application/x-gzip"]
  static let fileEndings = ["gz", "tgz"]

  static func recognizes(_ bytes: [UInt8]) -> Bool { Inflate.isGzip(bytes) }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let bytes = source.bytes
    let limit = context.limit(compressed: bytes.count)
    let contents = try DocumentError.reading { () throws(ArchiveError) in
      try bytes.withUnsafeBufferPointer { (buffer) throws(ArchiveError) in
        try Inflate.bytes(
          of: UnsafeRawBufferPointer(buffer), .gzip, limit: limit, subject: "what it holds")
      }
    }
    try context.charge(bytes: contents.count)
    var inner = source
    inner.bytes = contents
    inner.contentType = nil
    inner.fileName = source.fileName.flatMap(innerName)
    return try ArchiveMember.nested(inner, &context)
  }

  private static func innerName(_ name: String) -> String? {
    let lower = name.lowercased()
    if lower.hasSuffix(".tgz") { return name.dropLast(3) + "tar" }
    return lower.hasSuffix(".gz") ? String(name.dropLast(3)) : nil
  }
}

enum ArchiveMember {
  /// nil for folders, hidden files and what no extractor reads.
  static func name(_ bytes: [UInt8], charset: String?) throws(DocumentError) -> String? {
    let decoded = try? TextDecoding.decode(bytes, charset: charset)
    // Names of old archives tell too little to guess by; endings are ASCII in any of them.
    var name = decoded ?? String(decoding: bytes, as: UTF8.self)
    while name.hasPrefix("./") { name.removeFirst(2) }
    let steps = name.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }
    guard !steps.contains(".."), steps.first != "", !name.unicodeScalars.contains("\0"),
      !(steps.first?.hasSuffix(":") ?? false)
    else {
      if name.isEmpty { return nil }
      throw .invalidRequest(
        field: "body", message: "its member \"\(name)\" has a name that leads out of the archive")
    }
    let isHidden = steps.contains { $0.hasPrefix(".") || $0 == "__MACOSX" }
    return isHidden || !Extractors.reads(fileName: name) ? nil : name
  }

  static func documents(
    _ name: String, _ contents: [UInt8], of source: DocumentSource,
    _ context: inout ExtractionContext
  ) throws(DocumentError) -> [DocumentInput] {
    var member = source
    member.bytes = contents
    member.contentType = nil
    member.fileName = name
    member.id = source.id.map { "\($0)/\(name)" } ?? name
    member.metadata["member"] = .string(name)
    do {
      return try nested(member, &context)
    } catch {
      guard case .invalidRequest(let field, let message) = error else { throw error }
      throw .invalidRequest(field: field, message: "\(name): \(message)")
    }
  }

  static func nested(_ source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    guard context.depth < context.limits.depth else {
      throw .documentTooLarge(
        message: "archives within archives are read to a depth of \(context.limits.depth)")
    }
    context.depth += 1
    defer { context.depth -= 1 }
    return try Extractors.documents(from: source, &context)
  }
}

// A GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata, then what each
// tensor is called and how it is stored, then the tensors' bytes, which stay mapped. Relies on
// nothing in the file: all counts are bounded by its length before anything is allocated. Refuses
// version 1, big-endian files, files in parts, and types of tensors that it doesn't know.

package struct GGUFFile: Sendable {
  let file: MappedFile
  package let metadata: GGUFMetadata
  let tensors: [String: Tensor]

  package var path: String { file.path }
  /// The folder that it lies in: files beside it may say what its metadata can't.
  package var directory: String { path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "." }

  struct Tensor: Sendable {
    var type: GGUFType
    /// Slowest dimension first, as everywhere else here; GGUF has it the other way around.
    var shape: [Int]
    /// Within the file.
    var bytes: Range<Int>
  }

  private static let magic: UInt32 = 0x4655_4747
  private static let versions: ClosedRange<UInt32> = 2...3
  private static let maximumNameBytes = 1024
  private static let maximumDimensions = 4
  private static let defaultAlignment = 32
  /// A vocabulary of 256,000 tokens with merges takes some 20 MB.
  private static let maximumMetadataBytes = 128 << 20

  package init(path: String) throws(ModelError) {
    let file = try MappedFile(path: path, remedy: "name a .gguf file or a directory with one")
    let (metadata, tensors) = try file.withBytes { (bytes) throws(ModelError) in
      try Self.parse(bytes, path: path)
    }
    self.file = file
    self.metadata = metadata
    self.tensors = tensors
  }

  private static func parse(_ bytes: UnsafeRawBufferPointer, path: String) throws(ModelError)
    -> (GGUFMetadata, [String: Tensor])
  {
    let head = UnsafeRawBufferPointer(
      rebasing: bytes[..<min(bytes.count, maximumMetadataBytes)])
    var reader = ByteReader(head, path: path, subject: "its header")
    guard try reader.integer(UInt32.self) == magic else {
      throw reader.refusal("it does not begin with GGUF")
    }
    let version: UInt32 = try reader.integer()
    guard versions.contains(version) else {
      throw reader.refusal(
        version & 0xFFFF == 0
          ? "it is big-endian; convert it on a little-endian machine"
          : "its version is \(version); versions 2 and 3 are read: convert it with a newer tool")
    }
    let (tensorCount, entryCount) = (
      try reader.integer(UInt64.self), try reader.integer(UInt64.self)
    )
    let metadata = try GGUFMetadata(&reader, count: entryCount, path: path)
    if let parts = try metadata.integer("split.count", in: 0...Int(UInt16.max)), parts > 1 {
      throw metadata.refusal("split.count", "it is one of \(parts) parts; merge them into one file")
    }
    reader.subject = "its list of tensors"
    var infos: [(name: String, type: GGUFType, shape: [Int], offset: Int)] = []
    for _ in 0..<tensorCount { infos.append(try tensorInfo(&reader)) }
    let alignment = try metadata.integer("general.alignment", in: 1...(1 << 20))
    let step = alignment ?? defaultAlignment
    let start = (reader.position + step - 1) / step * step
    var tensors: [String: Tensor] = [:]
    for info in infos {
      guard let size = info.type.byteCount(shape: info.shape), start <= bytes.count,
        info.offset <= bytes.count - start, size <= bytes.count - start - info.offset
      else {
        throw reader.refusal(
          "tensor \(info.name) of type \(info.type) and shape \(info.shape) is not within it; "
            + "the download was cut off, or a row is no multiple of the type's block")
      }
      let first = start + info.offset
      let tensor = Tensor(type: info.type, shape: info.shape, bytes: first..<first + size)
      guard tensors.updateValue(tensor, forKey: info.name) == nil else {
        throw reader.refusal("tensor \(info.name) is listed twice")
      }
    }
    return (metadata, tensors)
  }

  private static func tensorInfo(_ reader: inout ByteReader) throws(ModelError)
    -> (name: String, type: GGUFType, shape: [Int], offset: Int)
  {
    let length: UInt64 = try reader.integer()
    guard length <= maximumNameBytes else {
      throw reader.refusal("the name of a tensor has \(length) bytes")
    }
    let name = try reader.string(length)
    let count: UInt32 = try reader.integer()
    guard count <= maximumDimensions else {
      throw reader.refusal("tensor \(name) has \(count) dimensions")
    }
    var shape: [Int] = []
    for _ in 0..<count {
      guard let size = Int(exactly: try reader.integer(UInt64.self)) else {
        throw reader.refusal("tensor \(name) has an absurd shape")
      }
      shape.insert(size, at: 0)
    }
    let code: UInt32 = try reader.integer()
    guard let type = GGUFType(rawValue: code) else {
      throw reader.refusal(
        "tensor \(name) has the type \(code), which is not read; known: "
          + GGUFType.allCases.map(\.description).joined(separator: ", "))
    }
    guard let offset = Int(exactly: try reader.integer(UInt64.self)) else {
      throw reader.refusal("tensor \(name) is not within it")
    }
    return (name, type, shape, offset)
  }

  /// The file that a path stands for: itself, or the only one in a directory that has no
  /// config.json; nil where it is something else than GGUF.
  package static func path(at path: String) throws(ModelError) -> String? {
    if path.hasSuffix(".gguf"), !directoryExists(path) { return path }
    guard directoryExists(path), !fileExists(path + "/" + ModelFiles.configurationName) else {
      return nil
    }
    let names = fileNames(in: path).filter { $0.hasSuffix(".gguf") }
    guard names.count < 2 else {
      throw .unreadableFile(
        path: path, reason: "it holds \(names.joined(separator: ", ")): name one of them")
    }
    return names.first.map { path + "/" + $0 }
  }
}

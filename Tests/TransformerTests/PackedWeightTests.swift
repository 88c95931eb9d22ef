// The cache of packed weights: a second start has the first one's weights bit for bit, a file that
// is damaged or of other weights is never used, and nothing outdated is left behind.

import Compute
import Foundation
import Quantization
import Testing

@testable import Transformer

@Suite struct PackedWeightTests {
  /// A folder for a cache, removed at the end.
  private final class Folder {
    let path = FileManager.default.temporaryDirectory.appending(path: "cache-\(UUID().uuidString)")
      .path
    var cache: PackedWeightCache { PackedWeightCache(directory: path) }
    var files: [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }

    func onlyFile() throws -> String {
      try #require(files.count == 1)
      return path + "/" + files[0]
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  private static let schemes: [QuantizationScheme] = [.int8, .int4, .nf4]

  private func load(
    _ directory: String, _ scheme: QuantizationScheme, _ folder: Folder, available: Int = .max
  ) throws -> CausalLM {
    try CausalLM.load(
      directory: directory, scheme: scheme, cache: folder.cache, pool: Fixtures.pool,
      availableMemoryByteCount: available)
  }

  private func quantized(_ model: CausalLM) throws -> WeightOrigin.Quantized {
    guard case .quantized(let quantized) = model.origin else {
      throw Unexpected(origin: model.origin.name)
    }
    return quantized
  }

  private struct Unexpected: Error { let origin: String }

  private func save(_ model: CausalLM) throws { try #require(try quantized(model).unsaved).save() }

  @Test(arguments: Fixtures.llamas + ["phi3", "gpt2", "qwen2-moe"], schemes)
  func theSecondLoadHasTheWeightsOfTheFirst(name: String, scheme: QuantizationScheme) throws {
    let folder = Folder()
    let tokens = try Golden(name).tokens
    let first = try load(Fixtures.model(name), scheme, folder)
    #expect(try quantized(first).refusedFile == nil)
    #expect(folder.files.isEmpty)
    try save(first)
    let logits = try first.logits(of: tokens)
    let second = try load(Fixtures.model(name), scheme, folder)
    #expect(second.origin.name == "cache_read")
    #expect(identical(try second.logits(of: tokens), logits))
    #expect(second.weightByteCount == first.weightByteCount)
    let mapped = try load(
      Fixtures.model(name), scheme, folder, available: first.weightByteCount * 5 / 4)
    #expect(mapped.origin.name == "cache_mapped")
    #expect(identical(try mapped.logits(of: tokens), logits))
  }

  @Test func float32IsNotCached() throws {
    let folder = Folder()
    let model = try load(Fixtures.model("llama-bias"), .none, folder)
    #expect(try quantized(model).unsaved == nil)
  }

  /// Every kind of damage, read and mapped: refused, quantised again, and repaired by saving.
  @Test(
    arguments: [
      "magic", "description", "checksum", "first byte", "last byte", "shorter", "longer", "empty",
    ], [true, false])
  func damagedFilesAreRefused(damage: String, isMemoryShort: Bool) throws {
    let folder = Folder()
    let directory = Fixtures.model("llama-mha-untied")
    let first = try load(directory, .int4, folder)
    try save(first)
    let file = try folder.onlyFile()
    let packed = try #require(try quantized(first).unsaved?.entry.file)
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: file)))
    let sound = bytes
    switch damage {
    case "magic": bytes[0] ^= 1
    case "description": bytes[100] ^= 1
    case "checksum": bytes[32 + packed.description.utf8.count] ^= 0x80
    case "first byte": bytes[packed.dataOffset] ^= 1
    case "last byte": bytes[bytes.count - 1] ^= 0x40
    case "shorter": bytes.removeLast()
    case "longer": bytes.append(0)
    default: bytes = []
    }
    try Data(bytes).write(to: URL(filePath: file))
    let available = isMemoryShort ? first.weightByteCount * 5 / 4 : Int.max
    let again = try load(directory, .int4, folder, available: available)
    #expect(try quantized(again).refusedFile?.contains(file) == true)
    let tokens = try Golden("llama-mha-untied").tokens
    #expect(identical(try again.logits(of: tokens), try first.logits(of: tokens)))
    try save(again)
    #expect(try [UInt8](Data(contentsOf: URL(filePath: file))) == sound)
  }

  /// Single bits, anywhere: a damaged file is refused or its damage is in the padding.
  @Test func flippedBitsNeverPass() throws {
    let folder = Folder()
    try FileManager.default.createDirectory(
      atPath: folder.path, withIntermediateDirectories: true)
    var random = SplitMix(state: 5)
    let data = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
    let file = PackedWeightFile(
      path: folder.path + "/a", description: "numbers", dataByteCount: data.count)
    try data.withUnsafeBytes { try file.write($0) }
    let sound = [UInt8](try Data(contentsOf: URL(filePath: file.path)))
    for _ in 0..<300 {
      var bytes = sound
      let at = Int.random(in: 0..<bytes.count, using: &random)
      bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      try Data(bytes).write(to: URL(filePath: file.path))
      let buffer = try AlignedBuffer(byteCount: data.count)
      do throws(PackedWeightFile.Failure) {
        try file.read(into: buffer, pool: Fixtures.pool)
        #expect(Array(UnsafeRawBufferPointer(start: buffer.pointer, count: data.count)) == data)
        #expect(at < file.dataOffset)
      } catch {
        #expect(error != .absent)
      }
    }
  }

  /// Neither equal sizes nor a modification time set back hide another content.
  @Test func aChangedCheckpointIsQuantisedAgain() throws {
    let folder = Folder()
    let directory = try ModelDirectory(copyOf: "llama-mha-untied")
    try save(try load(directory.path, .int4, folder))
    let stale = try folder.onlyFile()
    let file = directory.path + "/model.safetensors"
    let times = try FileManager.default.attributesOfItem(atPath: file)[.modificationDate]
    let handle = try #require(FileHandle(forUpdatingAtPath: file))
    try handle.seek(toOffset: try handle.seekToEnd() - 1)
    try handle.write(contentsOf: [try #require(try directory.read("model.safetensors").last) ^ 0x80]
    )
    try handle.close()
    try FileManager.default.setAttributes(
      [.modificationDate: try #require(times)], ofItemAtPath: file)
    let changed = try load(directory.path, .int4, folder)
    #expect(try quantized(changed).refusedFile == nil)
    try save(changed)
    #expect(try folder.onlyFile() != stale)
    #expect(try load(directory.path, .int4, folder).origin.name == "cache_read")
  }

  @Test func schemesAndModelsKeepFilesOfTheirOwn() throws {
    let folder = Folder()
    let models = ["llama-mha-untied", "llama-bias"].map(Fixtures.model)
    for model in models {
      for scheme in Self.schemes { try save(try load(model, scheme, folder)) }
    }
    #expect(folder.files.count == 6)
    for model in models {
      for scheme in Self.schemes {
        #expect(try load(model, scheme, folder).origin.name == "cache_read")
      }
    }
  }

  /// What another build packed, and what writers that died left; but not what one is writing.
  @Test func outdatedAndAbandonedFilesAreRemoved() throws {
    let folder = Folder()
    let model = try load(Fixtures.model("llama-bias"), .int4, folder)
    let entry = try #require(try quantized(model).unsaved?.entry)
    try FileManager.default.createDirectory(
      atPath: folder.path, withIntermediateDirectories: true)
    let others = [
      entry.schemePrefix + "0123456789abcdef.packed": false,
      entry.sourcePrefix + "nf4.0123456789abcdef.packed": true,
      entry.modelPrefix + "0123456789abcdef.int4.0123456789abcdef.packed": false,
      "another-01234567.0123456789abcdef.int4.0123456789abcdef.packed": true,
      "x.packed.1.partial": false, "x.packed.2.partial": true,
    ]
    for name in others.keys { try Data([1]).write(to: URL(filePath: folder.path + "/" + name)) }
    let writing = open(folder.path + "/x.packed.2.partial", O_RDONLY)
    defer { close(writing) }
    #expect(flock(writing, LOCK_EX) == 0)
    try save(model)
    let kept =
      others.filter(\.value).map(\.key) + [URL(filePath: entry.file.path).lastPathComponent]
    #expect(folder.files == kept.sorted())
  }

  @Test func filesChangedWhileLoadingAreNotSaved() throws {
    let folder = Folder()
    let directory = try ModelDirectory(copyOf: "llama-bias")
    let model = try load(directory.path, .int4, folder)
    try directory.write("model.safetensors", try directory.read("model.safetensors"))
    #expect(throws: PackedWeightFile.Failure.self) { try save(model) }
    #expect(folder.files.isEmpty)
  }

  /// A full disk, a read-only one, a file in the way: the reason is said and nothing is left.
  @Test func aFolderThatCannotBeWrittenIsReported() throws {
    let folder = Folder()
    try Data([1]).write(to: URL(filePath: folder.path))
    let model = try load(Fixtures.model("llama-bias"), .int4, folder)
    #expect {
      try save(model)
    } throws: {
      "\($0)".contains(folder.path)
    }
    #expect(try Data(contentsOf: URL(filePath: folder.path)) == Data([1]))
  }
}

// GGUF files: every type of block against the gguf package bit for bit, a whole model against
// transformers, refusals that name file and key, and random damage. Fixtures:
// scripts/fixtures/gguf_files.py.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct GGUFTests {
  private static let folder = Fixtures.root.appending(path: "checkpoints/gguf")

  private func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: Self.folder.appending(path: name)))
  }

  private func expected() throws -> [String: CheckpointTensor] {
    let path = Self.folder.appending(path: "expected.safetensors").path
    var result: [String: CheckpointTensor] = [:]
    for (name, stored) in try SafetensorsHeader.tensors(of: MappedFile(path: path, remedy: "")) {
      result[name] = CheckpointTensor(
        name: name, path: path, shape: stored.shape,
        elements: try #require(FloatElements(stored)))
    }
    return result
  }

  /// A directory with nothing but one GGUF file.
  private func directory(_ bytes: [UInt8]) throws -> ModelDirectory {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    for file in fileNames(in: directory.path) { try directory.remove(file) }
    try directory.write("model.gguf", bytes)
    return directory
  }

  private func refusal(_ bytes: [UInt8]) throws -> String {
    "\(try #require(try directory(bytes).loadError()))"
  }

  @Test(arguments: GGUFType.allCases)
  func blocksAreThoseOfTheGGUFPackage(type: GGUFType) throws {
    let file = try GGUFFile(path: Self.folder.appending(path: "blocks.gguf").path)
    // Its names are the package's, but for the case of letters.
    let name = try #require(
      file.tensors.keys.first { $0.uppercased() == "\(type).WEIGHT".uppercased() })
    let tensor = try #require(file.tensors[name])
    #expect(tensor.type == type)
    let elements = try #require(GGUFCheckpoint.elements(of: tensor, in: file))
    let read = CheckpointTensor(
      name: name, path: file.path, shape: tensor.shape, elements: elements)
    let reference = try #require(try expected()[name])
    #expect(read.shape == reference.shape)
    #expect(identical(read.values(), reference.values()))
    let range = 3..<read.elementCount - 5
    var part = [Float](repeating: .nan, count: range.count)
    part.withUnsafeMutableBufferPointer { $0.baseAddress.map { read.read(range, into: $0) } }
    #expect(identical(part, Array(reference.values()[range])))
  }

  @Test func codesStandForTheSameValues() throws {
    let file = try GGUFFile(path: Self.folder.appending(path: "blocks.gguf").path)
    for (name, tensor) in file.tensors {
      guard let format = tensor.type.exactFormat else { continue }
      let elements = GGUFElements(file: file.file, tensor: tensor)
      let (rows, columns) = (tensor.shape[0], tensor.shape[1])
      var codes = [UInt8](repeating: 0, count: rows * columns)
      var scales = [UInt16](repeating: 0, count: rows * columns / 32)
      elements.readCodes(rows: 0..<rows, codes: &codes, scales: &scales)
      let values = codes.indices.map { index in
        let code = format == .int4 ? Int(codes[index]) - 8 : Int(Int8(bitPattern: codes[index]))
        return Float(Float16(bitPattern: scales[index / 32])) * Float(code)
      }
      #expect(values == (try expected()[name]?.values()), "\(name)")
    }
  }

  @Test func aModelHasTheLogitsOfTransformers() throws {
    let path = Self.folder.appending(path: "llama.gguf").path
    let tokens = try Golden.integers(try Fixtures.json("checkpoints/gguf/llama.json")["tokens"])
    let reference = try bytes("llama.logits.bin").withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    let model = try CausalLM.load(directory: path, scheme: .none, pool: Fixtures.pool)
    #expect(model.configuration.contextLength == 512)
    #expect(model.configuration.eosTokenIDs == [2])
    let difference = greatestDifference(try model.logits(of: tokens), reference)
    print("llama.gguf in float32: greatest difference of logits \(difference)")
    #expect(difference <= 1e-3)
    // The directory with that file alone is the same model.
    let alone = try directory(bytes("llama.gguf"))
    let again = try CausalLM.load(directory: alone.path, scheme: .none, pool: Fixtures.pool)
    #expect(identical(try again.logits(of: [5, 6, 7]), try model.logits(of: [5, 6, 7])))
  }

  @Test(arguments: ["qwen2", "qwen3", "gemma2", "gemma3", "phi3"])
  func otherFamiliesHaveTheLogitsOfTransformers(name: String) throws {
    let folder = Fixtures.root.appending(path: "checkpoints/gguf-families")
    let path = folder.appending(path: "\(name).gguf").path
    let golden = try Fixtures.json("checkpoints/gguf-families/\(name).json")
    let tokens = try Golden.integers(golden["tokens"])
    let reference = try Data(contentsOf: folder.appending(path: "\(name).logits.bin"))
      .withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let model = try CausalLM.load(directory: path, scheme: .none, pool: Fixtures.pool)
    let difference = greatestDifference(try model.logits(of: tokens), reference)
    print("\(name).gguf in float32: greatest difference of logits \(difference)")
    #expect(difference <= 1e-3)
  }

  @Test func whatIsRecommendedBesideAFileCounts() throws {
    let directory = try directory(bytes("llama.gguf"))
    let file = directory.path + "/model.gguf"
    #expect(try ModelFiles(path: file).generationDefaults() == GenerationDefaults())
    try directory.write(GenerationDefaults.fileName, #"{"temperature": 0.2, "top_p": 0.9}"#)
    for path in [directory.path, file] {
      let defaults = try ModelFiles(path: path).generationDefaults()
      #expect(defaults.temperature == 0.2 && defaults.topP == 0.9)
      #expect(try CausalLM.configuration(directory: path).eosTokenIDs == [2])
    }
  }

  @Test func directoriesWithSeveralFilesAreRefused() throws {
    let directory = try directory(bytes("llama.gguf"))
    try directory.write("other.gguf", "")
    #expect(try #require(directory.loadError()).description.contains("model.gguf, other.gguf"))
  }

  /// A file of the header and of these entries, which are encoded by hand.
  private func file(
    version: UInt32 = 3, tensors: UInt64 = 0, entries: [[UInt8]] = [], rest: [UInt8] = []
  ) -> [UInt8] {
    Array("GGUF".utf8) + little(version) + little(tensors) + little(UInt64(entries.count))
      + entries.flatMap { $0 } + rest
  }

  private func little(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }

  private func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + text.utf8 }

  private func text(_ key: String, _ value: String) -> [UInt8] {
    string(key) + little(UInt32(8)) + string(value)
  }

  private func number(_ key: String, _ value: UInt32) -> [UInt8] {
    string(key) + little(UInt32(4)) + little(value)
  }

  private func tensor(
    _ name: String, _ dimensions: [UInt64], type: UInt32, offset: UInt64 = 0
  ) -> [UInt8] {
    string(name) + little(UInt32(dimensions.count)) + dimensions.flatMap { little($0) }
      + little(type) + little(offset)
  }

  @Test func unsoundFilesAreRefused() throws {
    let llama = [text("general.architecture", "llama"), number("llama.attention.head_count", 2)]
    let list = string("x") + little(UInt32(9))
    let cases: [([UInt8], String)] = [
      (Array("GGML".utf8) + little(UInt32(3)), "does not begin with GGUF"),
      (file(version: 1), "its version is 1"), (file(version: 3 << 24), "big-endian"),
      (Array("GGUF".utf8) + little(UInt32(3)), "ends within its header"),
      (file(tensors: .max), "ends within its list of tensors"),
      (Array(file().dropLast(8)) + little(UInt64.max), "ends within its metadata"),
      (file(entries: [list + little(UInt32(0)) + little(UInt64.max)]), "within the value of x"),
      (file(entries: [list + little(UInt32(8)) + little(UInt64.max)]), "within the value of x"),
      (file(entries: [list + little(UInt32(9)) + little(UInt64(1))]), "a list of lists"),
      (file(entries: [string("x") + little(UInt32(99))]), "unknown type 99"),
      (file(entries: [number("x", 1), number("x", 2)]), "key x is given twice"),
      (file(entries: [number("split.count", 3)]), "split.count: it is one of 3 parts"),
      (file(entries: [text("general.alignment", "a")]), "general.alignment: "),
      (file(entries: [number("general.alignment", 0)]), "general.alignment: "),
      (file(tensors: 1, rest: tensor("t", [1, 1, 1, 1, 1], type: 0)), "has 5 dimensions"),
      (file(tensors: 1, rest: tensor("t", [4], type: 9)), "has the type 9, which is not read"),
      (file(tensors: 1, rest: tensor("t", [4], type: 0)), "is not within it"),
      (file(tensors: 1, rest: tensor("t", [UInt64.max], type: 0)), "has an absurd shape"),
      (file(tensors: 1, rest: tensor("t", [1 << 40, 1 << 40], type: 0)), "is not within it"),
      (
        file(tensors: 1, rest: tensor("t", [33], type: 2) + [UInt8](repeating: 0, count: 999)),
        "no multiple of the type's block"
      ),
      (
        file(tensors: 1, rest: tensor("t", [1], type: 0, offset: .max - 64)), "is not within it"
      ),
      (file(), "general.architecture: it is missing"),
      (file(entries: [text("general.architecture", "mamba")]), "unknown architecture mamba"),
      (file(entries: [llama[0]]), "llama.attention.head_count: it is missing"),
      (file(entries: llama), "token_embd.weight is missing"),
      (file(entries: llama + [number("llama.expert_count", 8)]), "llama.expert_count"),
    ]
    for (bytes, expected) in cases {
      let text = try refusal(bytes)
      #expect(text.contains(expected) && text.contains("model.gguf: "), "\(text)")
    }
  }

  @Test func keysOfTheFileAreNamed() throws {
    let sound = try bytes("llama.gguf")
    let key = Array("llama.attention.head_count_kv".utf8)
    let at = try #require(
      sound.indices.first { sound[$0...].prefix(key.count).elementsEqual(key) })
    var bytes = sound
    bytes[at + key.count + 4] = 3
    #expect(try refusal(bytes).contains("model.gguf: llama.attention.head_count_kv: 3 does not"))
  }

  @Test func damagedFilesNeverCrash() throws {
    let sound = try bytes("llama.gguf")
    let directory = try directory(sound)
    // Metadata and the list of tensors; what follows is numbers.
    let header = 0..<12_000
    var random = SplitMix(state: 6)
    var refused = 0
    for _ in 0..<500 {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        // The vocabulary's strings in the middle matter less.
        let at =
          Bool.random(using: &random)
          ? Int.random(in: 0..<1200, using: &random) : Int.random(in: header, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
        case 2:
          bytes.replaceSubrange(
            at..<at + 8, with: little(UInt64.random(in: 0...99, using: &random)))
        default: bytes.removeSubrange(at..<at + Int.random(in: 1...9, using: &random))
        }
      }
      try directory.write("model.gguf", bytes)
      if directory.loadError() != nil { refused += 1 }
    }
    #expect(refused > 100)
  }
}

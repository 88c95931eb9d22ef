// PyTorch's .bin files against the values that PyTorch has of them; what must not be run or cannot
// be read is refused; random damage never crashes. Fixtures: scripts/fixtures/pytorch.py.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct PyTorchArchiveTests {
  private static let folder = "checkpoints/pytorch/"

  private func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: Fixtures.root.appending(path: Self.folder + name)))
  }

  /// A model directory that has nothing but this file as its weights.
  private func directory(weights: [UInt8]) throws -> ModelDirectory {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    try directory.remove("model.safetensors")
    try directory.write(Checkpoint.pyTorchName, weights)
    return directory
  }

  private func refusal(_ weights: [UInt8]) throws -> String {
    "\(try #require(try directory(weights: weights).loadError()))"
  }

  @Test(arguments: ["types.bin", "types-protocol4.bin"])
  func valuesAreThoseOfPyTorch(name: String) throws {
    let directory = try directory(weights: bytes(name))
    let checkpoint = try Checkpoint(directory: directory.path)
    let expected = try ModelDirectory(copyOf: "llama-bias")
    try expected.write("model.safetensors", bytes("expected.safetensors"))
    let header = try SafetensorsHeader.tensors(
      of: MappedFile(path: expected.path + "/model.safetensors", remedy: ""))
    let reference = try Checkpoint(directory: expected.path)
    #expect(header.count == 13)
    for (name, stored) in header {
      let found = try checkpoint.tensor(name, shape: stored.shape).values()
      let wanted = try reference.tensor(name, shape: stored.shape).values()
      #expect(found.count == wanted.count)
      for (a, b) in zip(found, wanted) {
        #expect(a.bitPattern == b.bitPattern || a.isNaN && b.isNaN, "\(name): \(a) for \(b)")
      }
    }
    #expect(checkpoint.contains("int64"))
    #expect(throws: ModelError.self) { try checkpoint.tensor("int64", shape: [3]) }
  }

  @Test func partsOfStridedTensorsAreRead() throws {
    let directory = try directory(weights: bytes("types.bin"))
    let tensor = try Checkpoint(directory: directory.path).tensor("transposed", shape: [7, 5])
    let all = tensor.values()
    var part = [Float](repeating: 0, count: 13)
    part.withUnsafeMutableBufferPointer { $0.baseAddress.map { tensor.read(9..<22, into: $0) } }
    #expect(part == Array(all[9..<22]))
  }

  @Test func aModelOfShardsIsThatOfItsSafetensors() throws {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    try directory.remove("model.safetensors")
    for name in ["-00001-of-00002.bin", "-00002-of-00002.bin", ".bin.index.json"] {
      try directory.write(
        "pytorch_model" + name, bytes("llama-bias/pytorch_model" + name))
    }
    let golden = try Golden("llama-bias")
    let logits = try CausalLM.load(directory: directory.path, scheme: .none, pool: Fixtures.pool)
      .logits(of: golden.tokens)
    #expect(identical(logits, try Fixtures.load("llama-bias").logits(of: golden.tokens)))
    #expect(greatestDifference(logits, golden.logits) <= 1e-3)
  }

  @Test func safetensorsArePreferred() throws {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    try directory.write(Checkpoint.pyTorchName, "nonsense")
    #expect(directory.loadError() == nil)
  }

  @Test(arguments: [
    ("legacy.bin", "PyTorch's legacy format"),
    ("harmful.bin", "asks for the Python object posix.system"),
    ("list.bin", "something else than a dictionary of tensors"),
    ("compressed.bin", "is compressed or encrypted"),
    ("small.bin", "tensor model.embed_tokens.weight is missing"),
  ])
  func otherFilesAreRefused(name: String, expected: String) throws {
    let text = try refusal(bytes(name))
    #expect(text.contains(expected) && text.contains("pytorch_model.bin: "), "\(text)")
  }

  /// Beyond 4 GB only the zip64 end record has the directory's place.
  @Test func largeArchivesAreRead() throws {
    var bytes = try bytes("types.bin")
    let end = bytes.count - 22
    for at in end + 8..<end + 20 { bytes[at] = 0xFF }
    let directory = try directory(weights: bytes)
    #expect(try Checkpoint(directory: directory.path).contains("transposed"))
    bytes[end - 20] = 0
    #expect(try refusal(bytes).contains("zip64 locator"))
  }

  @Test func filesCutOffAreRefused() throws {
    let sound = try bytes("types.bin")
    for length in [1, 4, 30, 1000, sound.count - 30, sound.count - 1] {
      let text = try refusal(Array(sound[..<length]))
      #expect(text.contains("pytorch_model.bin: not a sound checkpoint"), "\(text)")
    }
  }

  @Test func tensorsBeyondTheirStorageAreRefused() throws {
    var bytes = try bytes("small.bin")
    // The shape's 4, BININT1 4 TUPLE1, twice as large.
    let at = try #require(
      bytes.indices.dropLast(3).first { Array(bytes[$0..<$0 + 3]) == [0x4B, 4, 0x85] })
    bytes[at + 1] = 8
    #expect(try refusal(bytes).contains("tensor x of shape [8] reaches beyond its storage"))
  }

  /// Of pickle and directory: what comes of damage is tensors or an error.
  @Test func damagedFilesNeverCrash() throws {
    let sound = try bytes("types.bin")
    let directory = try directory(weights: sound)
    let path = directory.path + "/" + Checkpoint.pyTorchName
    let sections = try sound.withUnsafeBytes { all in
      let pickle = try #require(
        try PyTorchArchive.storedEntries(of: all, path: path).first {
          $0.key.hasSuffix("data.pkl")
        }?.value)
      let first = try #require(
        all.indices.dropLast(4).first { all[$0..<$0 + 4].elementsEqual([0x50, 0x4b, 1, 2]) })
      return [pickle, first..<all.count]
    }
    var random = SplitMix(state: 5)
    var refused = 0
    for round in 0..<600 {
      var bytes = sound
      let section = sections[round % 2]
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let at = Int.random(in: section, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes[at] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
        default:
          // An opcode or length of another place.
          bytes[at] = bytes[Int.random(in: section, using: &random)]
        }
      }
      try directory.write(Checkpoint.pyTorchName, bytes)
      do throws(ModelError) {
        let file = try MappedFile(path: path, remedy: "")
        for (name, stored) in try PyTorchArchive.tensors(of: file) {
          guard let elements = FloatElements(stored), (1..<10_000) ~= stored.elementCount else {
            continue
          }
          _ = CheckpointTensor(name: name, path: path, shape: stored.shape, elements: elements)
            .values()
        }
      } catch {
        refused += 1
      }
    }
    #expect(refused > 100)
  }
}

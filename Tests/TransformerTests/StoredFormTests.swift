// What `martlet quantize` writes loads as the model itself quantised on loading, bit for bit; what a
// checkpoint stores quantised is kept; targets are whole or not there.

import Foundation
import JSON
import Quantization
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct StoredFormTests {
  private func target() -> URL {
    FileManager.default.temporaryDirectory.appending(path: "stored-\(UUID().uuidString)")
  }

  private func logits(_ path: String, _ requested: QuantizationScheme?) throws -> [Float] {
    let model = try CausalLM.load(directory: path, requested: requested, pool: Fixtures.pool)
    return try model.logits(of: [1, 7, 3, 99, 12, 50, 31])
  }

  private static let quantized = Fixtures.root.appending(path: "checkpoints/quantized").path
  private static let gguf = Fixtures.root.appending(path: "checkpoints/gguf/llama.gguf").path

  private static let sources =
    [
      "llama-mha-untied", "llama-gqa-tied-sharded", "llama-bias", "phi3", "gpt2", "gemma2",
      "qwen2-moe", "baichuan2-7b", "chatglm3",
    ].map { Fixtures.model($0) }
    + [quantized + "/llama-nf4", quantized + "/llama-gptq", gguf]

  @Test(arguments: sources, [QuantizationScheme.int8, .int4, .nf4])
  func storedModelsAreThoseQuantisedOnLoading(source: String, scheme: QuantizationScheme) throws {
    let target = target()
    defer { try? FileManager.default.removeItem(at: target) }
    try ModelQuantizer(source: source, scheme: scheme)
      .write(to: target.path, pool: Fixtures.pool)
    let reference = try logits(source, scheme)
    let model = try CausalLM.load(
      directory: target.path, requested: nil, pool: Fixtures.pool)
    #expect(model.scheme == scheme)
    #expect(identical(try logits(target.path, nil), reference))
    #expect(identical(try logits(target.path, scheme), reference))
    // As a source of float32 it stands for the same weights.
    #expect(try logits(target.path, QuantizationScheme.none).allSatisfy(\.isFinite))
  }

  @Test func nf4WithoutDoubleQuantisationIsStoredSo() throws {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    for file in fileNames(in: directory.path) { try directory.remove(file) }
    let source = Self.quantized + "/bitsandbytes-nf4"
    let tensors = try Checkpoint(
      directory: source,
      configuration: ConfigurationFile(path: source + "/config.json", remedy: ""))
    let elements = try tensors.tensor("plain.weight", shape: [40, 256]).elements
    let stored = try #require(elements as? FourBitElements)
    #expect(stored.exactFormat == .nf4 && !stored.absmax.isNested)
    let matrix = try WeightMatrix(
      rows: 40, columns: 256, format: .nf4, codes: stored, pool: Fixtures.pool)
    let path = directory.path + "/model.safetensors"
    let absmax = stored.absmax.values(0..<stored.absmax.count)
    let writer = try SafetensorsWriter(
      path: path,
      tensors: StoredMatrix.tensors(
        name: "plain.weight", rows: 40, columns: 256, format: .nf4, nested: false))
    try StoredMatrix(name: "plain.weight", matrix: matrix, plainAbsmax: absmax).write(to: writer)
    try writer.finish()
    let settings: JSONObject = [
      "quantization_config": ["quant_method": "martlet", "version": 1, "scheme": "nf4"]
    ]
    let again = try Checkpoint(
      directory: directory.path,
      configuration: ConfigurationFile(path: "config.json", root: settings))
    let read = try again.tensor("plain.weight", shape: [40, 256])
    #expect(read.format == .nf4)
    #expect(identical(read.values(), CheckpointTensor.values(of: stored, count: 40 * 256)))
  }

  @Test(arguments: [("llama-nf4", QuantizationScheme.nf4), ("llama-gptq", .int8)])
  func quantisedCheckpointsAreKept(name: String, scheme: QuantizationScheme) throws {
    let path = Self.quantized + "/" + name
    let tokens = try Golden.integers(
      try Fixtures.json("checkpoints/quantized/\(name)/golden.json")["tokens"])
    let reference = try Data(contentsOf: URL(filePath: path + "/logits.bin")).withUnsafeBytes {
      Array($0.bindMemory(to: Float.self))
    }
    let float = try CausalLM.load(directory: path, scheme: .none, pool: Fixtures.pool)
    let difference = greatestDifference(try float.logits(of: tokens), reference)
    #expect(difference <= 1e-3, "\(name) in float32: \(difference)")
    let kept = try CausalLM.load(directory: path, requested: nil, pool: Fixtures.pool)
    #expect(kept.scheme == scheme)
    let error = zip(try kept.logits(of: tokens), reference).reduce(0.0) {
      $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1))
    }
    let power = reference.reduce(0.0) { $0 + Double($1 * $1) }
    print("\(name) kept: relative error of logits \((error / power).squareRoot())")
    // Codes are the reference's own: what is left is rounding of activations and int8 heads.
    #expect((error / power).squareRoot() < (scheme == .nf4 ? 0.02 : 0.05))
  }

  @Test func theDirectoryIsComplete() throws {
    let source = try ModelDirectory(copyOf: "llama-gqa-tied-sharded")
    try source.write("tokenizer.json", "{}")
    try source.write("LICENSE", "mine")
    let target = target()
    defer { try? FileManager.default.removeItem(at: target) }
    try ModelQuantizer(source: source.path, scheme: .int4)
      .write(to: target.path, pool: Fixtures.pool)
    #expect(
      fileNames(in: target.path) == [
        "LICENSE", "config.json", "generation_config.json", "golden.json", "model.safetensors",
        "tokenizer.json",
      ])
    let configuration = try ConfigurationFile(
      path: target.path + "/config.json", remedy: "")
    #expect(configuration["quantization_config"]?["quant_method"] == "martlet")
    #expect(configuration["hidden_size"] == 128)
  }

  @Test func targetsAreNeverOverwrittenNorLeftHalf() throws {
    let quantizer = try ModelQuantizer(source: Fixtures.model("llama-bias"), scheme: .int4)
    let directory = try ModelDirectory(copyOf: "llama-bias")
    #expect(throws: ModelError.self) {
      try quantizer.write(to: directory.path, pool: Fixtures.pool)
    }
    // A target whose parent is not there.
    let nowhere = directory.path + "/none/target"
    #expect(throws: ModelError.self) { try quantizer.write(to: nowhere, pool: Fixtures.pool) }
    // A file that cannot be written after others were.
    let target = directory.path + "/target"
    #expect(throws: ModelError.self) {
      try quantizer.write(
        to: target, extraFiles: [("config.json", [])], pool: Fixtures.pool)
    }
    #expect(!fileNames(in: directory.path).contains { $0.hasPrefix("target") })
  }

  @Test(
    arguments: [
      (["version": 3, "scheme": "int4"], "quantization_config.version is 3"),
      (["version": 1, "scheme": "int3"], "quantization_config.scheme is int3"),
      (["scheme": "int4"], "quantization_config.version: it is missing"),
    ] as [(JSONObject, String)])
  func otherVersionsAreRefused(settings: JSONObject, expected: String) throws {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    var settings = settings
    settings["quant_method"] = "martlet"
    try directory.set("quantization_config", .object(settings))
    #expect(try #require(directory.loadError()).description.contains(expected))
  }

  @Test func inspectionCountsWhatLoadingTakes() throws {
    for source in Self.sources {
      let inspection = try ModelInspection(path: source)
      let model = try CausalLM.load(directory: source, requested: nil, pool: Fixtures.pool)
      #expect(inspection.preferred.scheme == model.scheme)
      #expect(inspection.parameterCount == model.parameterCount)
      #expect(inspection.parametersByType.values.reduce(0, +) == model.parameterCount)
      // Each tensor begins on a cache line.
      let extra = inspection.preferred.weightByteCount - model.weightByteCount
      #expect((0..<64 * 100).contains(extra), "\(source)")
      #expect(
        inspection.preferred.cacheBytesPerToken * KVCache.blockSize == model.kvBytesPerBlock)
      #expect(inspection.schemes.map(\.scheme) == QuantizationScheme.allCases)
    }
    #expect(throws: ModelError.self) { try ModelInspection(path: "/nonexistent") }
  }
}

extension CheckpointTensor {
  fileprivate static func values(of elements: some TensorElements, count: Int) -> [Float] {
    CheckpointTensor(name: "", path: "", shape: [count], elements: elements).values()
  }
}

// Checkpoints that other tools quantised, against the values that those tools have of them, bit for
// bit; what is kept as it is has the very same values; whole models have the reference's logits.
// Fixtures: scripts/fixtures/quantized_checkpoints.py.

import Foundation
import JSON
import Quantization
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct QuantizedCheckpointTests {
  private static let folder = Fixtures.root.appending(path: "checkpoints/quantized")

  private func checkpoint(_ name: String) throws -> Checkpoint {
    let directory = Self.folder.appending(path: name).path
    return try Checkpoint(
      directory: directory,
      configuration: ConfigurationFile(path: directory + "/config.json", remedy: ""))
  }

  private func expected(_ name: String) throws -> [(String, CheckpointTensor)] {
    let path = Self.folder.appending(path: "\(name)/expected.safetensors").path
    return try SafetensorsHeader.tensors(of: MappedFile(path: path, remedy: "")).map {
      (name, stored) in
      let elements = try #require(FloatElements(stored))
      return (
        name, CheckpointTensor(name: name, path: path, shape: stored.shape, elements: elements)
      )
    }
  }

  private static let cases: [(String, Set<WeightFormat>)] = [
    ("bitsandbytes-nf4", [.nf4, .float32]), ("bitsandbytes-nf4-nested", [.nf4, .float32]),
    ("bitsandbytes-fp4", [.float32]), ("bitsandbytes-fp4-nested", [.float32]),
    ("bitsandbytes-int8", [.float32]),
    ("gptq-4-symmetric", [.int4]), ("gptq-4-v2", [.int8]), ("gptq-4-act-order", [.float32]),
    ("gptq-8", [.int8]), ("awq", [.int8]), ("compressed-tensors-4-symmetric", [.int4]),
    ("compressed-tensors-4-asymmetric", [.int8]), ("compressed-tensors-8-channel", [.int8]),
  ]

  @Test(arguments: cases)
  func valuesAreThoseOfTheTool(name: String, formats: Set<WeightFormat>) throws {
    let checkpoint = try checkpoint(name)
    var found: Set<WeightFormat> = []
    for (tensor, reference) in try expected(name) {
      let read = try checkpoint.tensor(tensor, shape: reference.shape)
      #expect(identical(read.values(), reference.values()), "\(name): \(tensor)")
      found.insert(read.format)
      // Any part of it, across rows.
      let range = 5..<reference.shape[1] * 2 + 3
      var part = [Float](repeating: .nan, count: range.count)
      part.withUnsafeMutableBufferPointer { $0.baseAddress.map { read.read(range, into: $0) } }
      #expect(identical(part, Array(reference.values()[range])), "\(name): part of \(tensor)")
    }
    #expect(found == formats)
  }

  @Test(
    arguments: [
      (["quant_method": "quanto"], "quantization_config is quanto"),
      ([:], "without quant_method"),
      (["quant_method": "gptq"], "quantization_config.bits: it is missing"),
      (["quant_method": "gptq", "bits": 3], "quantization_config.bits is 3"),
      (["quant_method": "gptq", "bits": 4, "group_size": 0], "group_size: 0 is no size"),
      (
        ["quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"],
        "checkpoint_format is marlin"
      ),
      (["quant_method": "awq", "bits": 8], "bits is 8"),
      (["quant_method": "awq", "bits": 4, "version": "gemv"], "version is gemv"),
      (
        ["quant_method": "compressed-tensors", "format": "float-quantized"],
        "format is float-quantized"
      ),
      (["quant_method": "compressed-tensors", "format": "pack-quantized"], "config_groups"),
    ] as [(JSONObject, String)])
  func unknownVariantsAreRefused(configuration: JSONObject, expected: String) throws {
    let directory = try ModelDirectory(copyOf: "llama-bias")
    try directory.set("quantization_config", .object(configuration))
    let text = "\(try #require(directory.loadError()))"
    #expect(text.contains(expected) && text.contains("config.json: "), "\(text)")
  }

  /// Every part of a quantised matrix is asked for by name, type and shape.
  @Test(arguments: [
    ("bitsandbytes-nf4-nested", "plain.weight"), ("bitsandbytes-int8", "a.weight"),
    ("gptq-4-act-order", "a.weight"), ("awq", "a.weight"),
    ("compressed-tensors-4-asymmetric", "a.weight"),
  ])
  func matricesWithMissingOrMisshapenPartsAreRefused(name: String, tensor: String) throws {
    let source = Self.folder.appending(path: name).path
    let shape = try #require(try expected(name).first { $0.0 == tensor }?.1.shape)
    let stem = tensor.split(separator: ".")[0]
    let parts = try SafetensorsHeader.tensors(
      of: MappedFile(path: source + "/model.safetensors", remedy: "")
    ).keys.filter { $0.hasPrefix(stem + ".") }
    let directory = try ModelDirectory(copyOf: "llama-bias")
    let configuration = try ConfigurationFile(path: source + "/config.json", remedy: "")
    let sound = [UInt8](try Data(contentsOf: URL(filePath: source + "/model.safetensors")))
    // Without these the tensor is another kind of matrix, or is whole.
    let marks = ["weight_shape", "g_idx", "weight_format"]
    for part in parts where !marks.contains(where: { part.hasSuffix($0) }) {
      for misshapen in [true, false] {
        try directory.write("model.safetensors", sound)
        try directory.editHeader { header in
          if misshapen {
            var entry = try #require(header[part]?.object)
            entry["shape"] = .array([1] + (entry["shape"]?.array ?? []) + [1])
            header[part] = .object(entry)
          } else {
            header["other"] = header.removeValue(forKey: part)
          }
        }
        let checkpoint = try Checkpoint(
          directory: directory.path, configuration: configuration)
        // A quantised weight's own shape says nothing; its number of bytes does.
        if misshapen, name.hasPrefix("bitsandbytes-nf4"),
          part == tensor || part.contains("quant_state")
        {
          continue
        }
        #expect(throws: ModelError.self, "\(part)") {
          try checkpoint.tensor(tensor, shape: shape)
        }
      }
    }
  }
}

// Checkpoints in which a tool has quantised tensors that families cut apart: the pieces stand for the
// same weights as the whole. Written here in the form that bitsandbytes has, since no such tiny model
// is committed.

import Quantization
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct FusedCheckpointTests {
  @Test(arguments: ["phi3", "gpt-neox", "chatglm3", "qwen2-moe"])
  func piecesOfCodesAreTheWeightsThatTheyStandFor(name: String) throws {
    let tokens = try Golden(name).tokens
    let codes = try directory(name, quantized: true)
    try codes.set(
      "quantization_config",
      ["quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"])
    let floats = try directory(name, quantized: false)
    func logits(_ directory: ModelDirectory, _ scheme: QuantizationScheme?) throws -> [Float] {
      try CausalLM.load(directory: directory.path, requested: scheme, pool: Fixtures.pool)
        .logits(of: tokens)
    }
    let exact = try logits(codes, QuantizationScheme.none)
    #expect(identical(exact, try logits(floats, QuantizationScheme.none)))
    // Kept as nf4, whose activations are rounded.
    let kept = try logits(codes, nil)
    let product = zip(kept, exact).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let lengths = [kept, exact].map { $0.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot() }
    #expect(product / (lengths[0] * lengths[1]) > 0.999)
    #expect(try ModelInspection(path: codes.path).preferred.scheme == .nf4)
  }

  /// A copy of a fixture whose layers' matrices are nf4, or what that stands for in float32.
  private func directory(_ fixture: String, quantized: Bool) throws -> ModelDirectory {
    let directory = try ModelDirectory(copyOf: fixture)
    let checkpoint = try Checkpoint(directory: directory.path)
    var announced: [SafetensorsWriter.Tensor] = []
    var writes: [(SafetensorsWriter) throws -> Void] = []
    for name in checkpoint.tensorNames {
      let shape = try #require(checkpoint.stored(name)).shape
      let tensor = try checkpoint.tensor(name, shape: shape)
      let isQuantized = shape.count == 2 && name.contains("layers.") && shape[1] % 64 == 0
      guard isQuantized else {
        announced.append(.init(name: name, elementType: .float32, shape: shape))
        writes.append { try $0.append(tensor.values()) }
        continue
      }
      let matrix = try nf4(tensor)
      if quantized {
        announced += StoredMatrix.tensors(
          name: name, rows: shape[0], columns: shape[1], format: .nf4, nested: true)
        writes.append { try StoredMatrix(name: name, matrix: matrix).write(to: $0) }
      } else {
        announced.append(.init(name: name, elementType: .float32, shape: shape))
        writes.append { try $0.append(values(of: matrix)) }
      }
    }
    try directory.remove("model.safetensors")
    let writer = try SafetensorsWriter(
      path: directory.path + "/model.safetensors", tensors: announced)
    for write in writes { try write(writer) }
    try writer.finish()
    return directory
  }

  private func nf4(_ tensor: CheckpointTensor) throws -> WeightMatrix {
    let columns = tensor.shape[1]
    return try WeightMatrix(
      rows: tensor.shape[0], columns: columns, format: .nf4, pool: Fixtures.pool
    ) { rows, output in
      tensor.read(rows.lowerBound * columns..<rows.upperBound * columns, into: output)
    }
  }

  private func values(of matrix: WeightMatrix) -> [Float] {
    var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
    values.withUnsafeMutableBufferPointer { buffer in
      for row in 0..<matrix.rows {
        buffer.baseAddress.map { matrix.dequantizeRow(row, into: $0 + row * matrix.columns) }
      }
    }
    return values
  }
}

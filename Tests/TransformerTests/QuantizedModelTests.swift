// Quantised models beside the float32 reference: as close as their bits allow, in the formats that
// the scheme prescribes; and models of random weights in real shapes.

import Compute
import JSON
import Quantization
import Synchronization
import Testing

@testable import Checkpoints
@testable import ModelFamilies
@testable import Transformer

@Suite struct QuantizedModelTests {
  /// Cosine between all logits of two models.
  private func similarity(_ a: [Float], _ b: [Float]) -> Double {
    let product = zip(a, b).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    let lengths = [a, b].map { $0.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
    return product / (lengths[0] * lengths[1])
  }

  @Test(arguments: [
    (QuantizationScheme.int8, 0.998), (.int4, 0.87), (.nf4, 0.84),
  ])
  func logitsStayCloseToFloat32(scheme: QuantizationScheme, least: Double) throws {
    for name in Fixtures.llamas {
      let golden = try Golden(name)
      let logits = try Fixtures.load(name, scheme).logits(of: golden.tokens)
      let found = similarity(logits, golden.logits)
      print("\(name) in \(scheme.rawValue): cosine of logits \(found)")
      #expect(found >= least, "\(name)")
      #expect(found < 0.9999999, "\(name) is not quantised")
    }
  }

  @Test(arguments: Fixtures.otherFamilies)
  func everyFamilyIsQuantized(name: String) throws {
    let golden = try Golden(name)
    for scheme in [QuantizationScheme.int8, .int4, .nf4] {
      let logits = try Fixtures.load(name, scheme).logits(of: golden.tokens)
      let found = similarity(logits, golden.logits)
      print("\(name) in \(scheme.rawValue): cosine of logits \(found)")
      #expect(found >= (scheme == .int8 ? 0.99 : 0.75) && found < 0.9999999, "\(scheme)")
    }
  }

  /// What quantisation costs is in the weights: a float32 model of the weights that the codes stand
  /// for gives nearly the same logits.
  @Test(arguments: [QuantizationScheme.int8, .int4, .nf4])
  func logitsAreThoseOfTheDequantisedWeights(scheme: QuantizationScheme) throws {
    for name in ["llama-mha-untied", "llama-bias", "llama-head-dimension"] {
      let directory = try ModelDirectory(copyOf: name)
      try directory.replaceWeights(byThoseOf: scheme)
      let tokens = try Golden(name).tokens
      let reference = try CausalLM.load(
        directory: directory.path, scheme: .none, pool: Fixtures.pool
      ).logits(of: tokens)
      let found = similarity(try Fixtures.load(name, scheme).logits(of: tokens), reference)
      print("\(name) in \(scheme.rawValue): cosine to dequantised weights \(found)")
      // Activations have 12 bits in nf4 products and 8 in the others and the head.
      #expect(found >= (scheme == .nf4 ? 0.99997 : 0.999))
    }
  }

  @Test(arguments: [
    (QuantizationScheme.none, WeightFormat.float32, WeightFormat.float32),
    (.int8, .int8, .int8), (.int4, .int4Stepped, .int8), (.nf4, .nf4, .int8),
  ])
  func formatsFollowTheScheme(scheme: QuantizationScheme, linear: WeightFormat, head: WeightFormat)
  {
    #expect(scheme.format(of: .linear, columns: 128, stored: .bfloat16) == linear)
    #expect(scheme.format(of: .embedding, columns: 128, stored: .bfloat16) == head)
    #expect(scheme.format(of: .head, columns: 128, stored: .bfloat16) == head)
    if scheme == .int4 {
      #expect(scheme.format(of: .linear, columns: 192, stored: .bfloat16) == .int4)
      for stored in [WeightFormat.int4, .int4Stepped] {
        #expect(scheme.format(of: .linear, columns: 256, stored: stored) == stored)
      }
    }
    // 100 is no multiple of any group.
    let odd = scheme == .none ? WeightFormat.float32 : .float16
    #expect(scheme.format(of: .linear, columns: 100, stored: .float16) == odd)
  }

  @Test(arguments: QuantizationScheme.allCases)
  func widthsBetweenGroupsAreComputedUnquantised(scheme: QuantizationScheme) throws {
    var configuration = ModelShape.tinyLlama1B.configuration
    configuration.vocabularySize = 50
    configuration.layers = Array(repeating: .init(), count: 2)
    configuration.hiddenSize = 48
    configuration.intermediateSize = 100
    configuration.headCount = 3
    configuration.keyValueHeadCount = 1
    configuration.headDimension = 16
    configuration.rotary[0].width = 16
    let model = try CausalLM.random(
      configuration: configuration, scheme: scheme, pool: Fixtures.pool)
    let logits = try model.logits(of: Array(0..<40))
    #expect(logits.count == 40 * 50)
    #expect(logits.allSatisfy { $0.isFinite })
    #expect(Set(logits.map(\.bitPattern)).count > 1000)
    let again = try model.logits(of: Array(0..<40), chunk: 9)
    #expect(identical(logits, again))
  }

  @Test func sizesAreThoseOfTheRealModels() {
    let counts = ModelShape.allCases.map {
      WeightManifest($0.configuration).parameterCount
    }
    // Qwen2.5 has biases on q, k and v beside these.
    #expect(counts == [1_100_048_384, 494_005_120, 6_738_415_616])
  }

  @Test func bytesAreCounted() throws {
    let untied = try Fixtures.load("llama-mha-untied")
    // 256 x 64 twice, two layers of 4 x 64 x 64 + 3 x 64 x 192, five norms.
    let parameters = 2 * 256 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 192) + 5 * 64
    #expect(untied.parameterCount == parameters)
    #expect(untied.weightByteCount == parameters * 4)
    #expect(untied.bytesPerDecodedToken == (parameters - 255 * 64) * 4)
    #expect(untied.kvBytesPerBlock == 32 * 2 * 2 * 64 * 4)
    let tied = try Fixtures.load("llama-gqa-tied-sharded", .int4)
    #expect(tied.weightByteCount < tied.parameterCount)
    #expect(tied.bytesPerDecodedToken >= tied.weightByteCount)
    #expect(tied.kvBytesPerBlock == 32 * 2 * 2 * 32 * 2)
  }

  @Test func progressGoesFromZeroToOne() throws {
    let record = ProgressRecord()
    _ = try CausalLM.load(
      directory: Fixtures.model("llama-bias"), scheme: .int4, pool: Fixtures.pool,
      progress: { record.append($0) })
    let values = record.values
    #expect(values.count > 10 && values.last == 1 && (values.first ?? 1) < 0.5)
    #expect(values == values.sorted())
  }
}

extension ModelDirectory {
  /// Writes a float32 checkpoint of the weights that a scheme's codes stand for.
  fileprivate func replaceWeights(byThoseOf scheme: QuantizationScheme) throws {
    let configuration = try CausalLM.configuration(directory: path)
    let source = WeightSource.checkpoint(try Checkpoint(directory: path))
    let manifest = WeightManifest(configuration)
    var header = JSONObject()
    var data: [UInt8] = []
    for item in manifest.items {
      let values = try item.dequantised(scheme, from: source)
      let start = data.count
      values.withUnsafeBytes { data.append(contentsOf: $0) }
      header[item.name] = [
        "dtype": "F32", "shape": .array(item.shape.map { .integer(Int64($0)) }),
        "data_offsets": [.integer(Int64(start)), .integer(Int64(data.count))],
      ]
    }
    let text = JSONValue.object(header).serialized()
    let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) }
    try write("model.safetensors", length + text + data)
  }
}

extension WeightManifest.Item {
  fileprivate func dequantised(
    _ scheme: QuantizationScheme, from source: WeightSource
  ) throws -> [Float] {
    guard let role else { return try source.vector(name, count: shape[0]) }
    let (rows, columns) = (shape[0], shape[1])
    let format = scheme.format(of: role, columns: columns, stored: try source.format(of: self))
    let matrix = try source.matrix(
      name, rows: rows, columns: columns, format: format, pool: Fixtures.pool)
    var values = [Float](repeating: 0, count: rows * columns)
    values.withUnsafeMutableBufferPointer { buffer in
      for row in 0..<rows {
        buffer.baseAddress.map { matrix.dequantizeRow(row, into: $0 + row * columns) }
      }
    }
    return values
  }
}

private final class ProgressRecord: Sendable {
  private let list = Mutex<[Double]>([])
  var values: [Double] { list.withLock { $0 } }
  func append(_ value: Double) { list.withLock { $0.append(value) } }
}

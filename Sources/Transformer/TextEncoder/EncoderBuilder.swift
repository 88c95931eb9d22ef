// Makes an encoder's layers from its configuration and checkpoint. A matrix that holds several one
// below the other is cut into them. Tables of embeddings are float32 in every precision.

import Checkpoints
import Compute
import ModelFamilies
import Quantization

struct EncoderBuilder {
  let configuration: TextEncoderConfiguration
  let checkpoint: Checkpoint
  let names: EncoderTensorNames
  let precision: EncoderPrecision
  let pool: ThreadPool
  /// In front of every name.
  private let prefix: String

  init(
    configuration: TextEncoderConfiguration, checkpoint: Checkpoint, names: EncoderTensorNames,
    precision: EncoderPrecision, pool: ThreadPool
  ) {
    self.configuration = configuration
    self.checkpoint = checkpoint
    self.names = names
    self.precision = precision
    self.pool = pool
    prefix = checkpoint.contains(names.prefix + names.words) ? names.prefix : ""
  }

  func build() throws(ModelError) -> Encoder {
    let c = configuration
    let embeddings = try embeddings()
    let bias = try positionBias()
    var blocks: [EncoderBlock] = []
    for index in c.layers.indices { blocks.append(try block(index, bias)) }
    let finalNorm = try c.norm == .before ? norm(prefix + names.finalNorm) : nil
    return Encoder(
      embeddings: embeddings,
      rotations: c.rotary.map(RotaryFrequencies.init), blocks: blocks, finalNorm: finalNorm)
  }

  private func embeddings() throws(ModelError) -> EncoderEmbeddings {
    let c = configuration
    var types: [Float] = []
    if c.typeCount > 0 { types = try table(names.types, rows: c.typeCount) }
    var positions: LearntPositions?
    if case .learnt(let count, let paddingID) = c.positions {
      positions = LearntPositions(
        table: try table(names.positions, rows: count), paddingID: paddingID)
    }
    return EncoderEmbeddings(
      words: try table(names.words, rows: c.vocabularySize), width: c.hiddenSize, types: types,
      positions: positions, norm: try norm(prefix + names.embeddingNorm))
  }

  private func table(_ name: String, rows: Int) throws(ModelError) -> [Float] {
    try checkpoint.tensor(prefix + name, shape: [rows, configuration.hiddenSize]).values()
  }

  private func positionBias() throws(ModelError) -> PositionBias? {
    let c = configuration
    guard c.positionBuckets > 0 else { return nil }
    let buckets = try checkpoint.tensor(
      prefix + names.positionBuckets, shape: [c.positionBuckets, c.headCount])
    return try PositionBias(
      buckets: buckets.values(), bucketCount: c.positionBuckets, headCount: c.headCount,
      maximumTokens: c.maximumTokens)
  }

  private func block(_ index: Int, _ bias: PositionBias?) throws(ModelError) -> EncoderBlock {
    let stem = prefix + names.layers + "\(index)."
    let layer = configuration.layers[index]
    let attention = try attention(stem, layer, bias)
    let norms: EncoderBlock.Norms
    switch configuration.norm {
    case .after:
      norms = .after(
        attention: try norm(stem + names.attentionNorm), output: try norm(stem + names.outputNorm))
    case .before:
      norms = .before(
        attention: try index == 0 ? nil : norm(stem + names.attentionNorm),
        feedForward: try norm(stem + names.outputNorm))
    }
    return EncoderBlock(
      attention: attention, feedForward: try feedForward(stem), norms: norms)
  }

  private func attention(
    _ stem: String, _ layer: TextEncoderConfiguration.Layer, _ bias: PositionBias?
  ) throws(ModelError) -> Attention {
    let c = configuration
    let width = c.hiddenSize
    let inputs: [Linear]
    switch names.attention {
    case .separate(let query, let key, let value):
      inputs = try [query, key, value].map { (name) throws(ModelError) in
        try linear(stem + name, width, width, bias: c.attentionBias)
      }
    case .fused(let name):
      inputs = try (0..<3).map { (part) throws(ModelError) in
        try linear(stem + name, width, width, bias: c.attentionBias, part: part, of: 3)
      }
    }
    return Attention(
      query: inputs[0], key: inputs[1], value: inputs[2],
      output: try linear(stem + names.attentionOutput, width, width, bias: c.attentionBias),
      headCount: c.headCount, keyValueHeadCount: c.headCount, headDimension: c.headDimension,
      scale: 1 / Float(c.headDimension).squareRoot(), causal: false,
      rotary: c.rotary.isEmpty ? nil : layer.rotation, reach: layer.reach, positionBias: bias)
  }

  private func feedForward(_ stem: String) throws(ModelError) -> FeedForward {
    let c = configuration
    let (hidden, inner) = (c.hiddenSize, c.intermediateSize)
    func linear(_ name: String, part: Int = 0, of parts: Int = 1) throws(ModelError) -> Linear {
      try self.linear(
        stem + name, inner, hidden, bias: c.feedForwardBias, part: part, of: parts)
    }
    let (gate, up): (Linear?, Linear)
    switch names.feedForward {
    case .plain(let name): (gate, up) = (nil, try linear(name))
    case .gated(let gateName, let upName): (gate, up) = (try linear(gateName), try linear(upName))
    case .fused(let name):
      (gate, up) = (try linear(name, part: 0, of: 2), try linear(name, part: 1, of: 2))
    }
    let down = try self.linear(stem + names.down, hidden, inner, bias: c.feedForwardBias)
    switch (c.feedForward, gate) {
    case (.gatedGelu, let gate?):
      return .gated(GatedFeedForward(activation: .gelu, gate: gate, up: up, down: down))
    case (.gatedSilu, let gate?):
      return .gated(GatedFeedForward(activation: .silu, gate: gate, up: up, down: down))
    default: return .plain(.gelu, up: up, down: down)
    }
  }

  // Tensors by their whole names --------------------------------------------------------------------

  func norm(_ name: String) throws(ModelError) -> NormLayer {
    let count = configuration.hiddenSize
    // What the first BERT's converter called them; transformers reads both.
    let isOld = checkpoint.contains(name + ".gamma")
    func values(_ kind: String) throws(ModelError) -> [Float] {
      try checkpoint.tensor("\(name).\(kind)", shape: [count]).values()
    }
    return .layer(
      weight: try values(isOld ? "gamma" : "weight"),
      bias: try configuration.normBias
        ? values(isOld ? "beta" : "bias") : Array(repeating: 0, count: count),
      epsilon: configuration.epsilon)
  }

  /// One of `parts` matrices of `rows` rows that lie one below the other.
  func linear(
    _ name: String, _ rows: Int, _ columns: Int, bias: Bool, part: Int = 0, of parts: Int = 1
  ) throws(ModelError) -> Linear {
    let weight = try matrix(name + ".weight", rows, columns, part: part, of: parts)
    guard bias else { return Linear(weight: weight, bias: nil) }
    let all = try checkpoint.tensor(name + ".bias", shape: [parts * rows]).values()
    return Linear(weight: weight, bias: Array(all[part * rows..<(part + 1) * rows]))
  }

  private func matrix(
    _ name: String, _ rows: Int, _ columns: Int, part: Int, of parts: Int
  ) throws(ModelError) -> WeightMatrix {
    let tensor = try checkpoint.tensor(name, shape: [parts * rows, columns])
    let first = part * rows
    do {
      return try WeightMatrix(rows: rows, columns: columns, format: precision.format, pool: pool) {
        tensor.read(
          (first + $0.lowerBound) * columns..<(first + $0.upperBound) * columns, into: $1)
      }
    } catch {
      throw .unloadableTensor(name: name, reason: "\(error)")
    }
  }
}

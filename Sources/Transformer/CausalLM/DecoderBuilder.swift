// Makes a decoder's layers from a configuration and a store of weights, which quantises each matrix
// as it is asked for or has it already. Relies on the store's layout having been checked against the
// source, so that a broken checkpoint is refused before minutes are spent on its first half.

import Compute

struct DecoderBuilder {
  let configuration: CausalLMConfiguration
  let names: TensorNames
  let scheme: QuantizationScheme
  let weights: WeightStore
  let pool: ThreadPool
  /// Told the share of all parameters that is loaded.
  let progress: @Sendable (Double) -> Void
  private var loadedCount = 0
  /// What was built, as adapters find it.
  private(set) var modules = ModelModules()

  init(
    configuration: CausalLMConfiguration, names: TensorNames, scheme: QuantizationScheme,
    weights: WeightStore, pool: ThreadPool, progress: @escaping @Sendable (Double) -> Void
  ) {
    self.configuration = configuration
    self.names = names
    self.scheme = scheme
    self.weights = weights
    self.pool = pool
    self.progress = progress
  }

  mutating func build() throws(ModelError) -> Decoder {
    let embedding = try matrix(names.embedding)
    var blocks: [DecoderBlock] = []
    for index in 0..<configuration.layerCount { blocks.append(try block(index)) }
    let norm = try norm(names.finalNorm)
    let head = configuration.tiedEmbeddings ? embedding : try matrix(names.head)
    let decoder = Decoder(
      embedding: embedding, blocks: blocks, finalNorm: norm, head: Linear(weight: head, bias: nil))
    modules.embedding = names.embedding.withoutWeightSuffix
    modules.embeddingMatrix = embedding
    modules.head = names.head.withoutWeightSuffix
    modules.linears[modules.head] = decoder.head
    return decoder
  }

  private mutating func block(_ index: Int) throws(ModelError) -> DecoderBlock {
    DecoderBlock(
      inputNorm: try norm(names.layer(index, \.inputNorm) + ".weight"),
      attention: try attention(index),
      feedForwardNorm: try norm(names.layer(index, \.feedForwardNorm) + ".weight"),
      feedForward: try feedForward(index))
  }

  private mutating func attention(_ index: Int) throws(ModelError) -> Attention {
    let c = configuration
    return Attention(
      query: try linear(names.layer(index, \.query), bias: c.attentionBias),
      key: try linear(names.layer(index, \.key), bias: c.attentionBias),
      value: try linear(names.layer(index, \.value), bias: c.attentionBias),
      output: try linear(names.layer(index, \.attentionOutput), bias: c.attentionBias),
      headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount,
      headDimension: c.headDimension, scale: c.attentionScale, causal: true)
  }

  private mutating func feedForward(_ index: Int) throws(ModelError) -> FeedForward {
    let bias = configuration.feedForwardBias
    switch configuration.feedForward {
    case .gated(.silu):
      return .gatedSilu(
        gate: try linear(names.layer(index, \.gate), bias: bias),
        up: try linear(names.layer(index, \.up), bias: bias),
        down: try linear(names.layer(index, \.down), bias: bias))
    }
  }

  private mutating func norm(_ name: String) throws(ModelError) -> NormLayer {
    let weight = try vector(name)
    modules.norms[name.withoutWeightSuffix] = weight.count
    switch configuration.normalization {
    case .rms(let epsilon): return .rms(weight: weight, epsilon: epsilon)
    }
  }

  private mutating func linear(_ stem: String, bias: Bool) throws(ModelError) -> Linear {
    let linear = Linear(
      weight: try matrix(stem + ".weight"), bias: bias ? try vector(stem + ".bias") : nil)
    modules.linears[stem] = linear
    return linear
  }

  private mutating func vector(_ name: String) throws(ModelError) -> [Float] {
    let values = try weights.vector(name)
    advance(by: values.count)
    return values
  }

  private mutating func matrix(_ name: String) throws(ModelError) -> WeightMatrix {
    let matrix = try weights.matrix(name, pool: pool)
    advance(by: matrix.rows * matrix.columns)
    return matrix
  }

  private mutating func advance(by count: Int) {
    loadedCount += count
    progress(Double(loadedCount) / Double(weights.layout.parameterCount))
  }
}

extension String {
  /// A module's name out of its weight's.
  fileprivate var withoutWeightSuffix: String {
    hasSuffix(".weight") ? String(dropLast(".weight".count)) : self
  }
}

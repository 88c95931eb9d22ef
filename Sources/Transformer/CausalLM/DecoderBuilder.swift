// Makes a decoder's layers from a configuration and a source of weights, quantising each matrix as
// it is read. Relies on the manifest having been checked against the source, so that a broken
// checkpoint is refused before minutes are spent on its first half.

import Compute

struct DecoderBuilder {
  let configuration: CausalLMConfiguration
  let names: TensorNames
  let scheme: QuantizationScheme
  let source: WeightSource
  let pool: ThreadPool
  /// Told the share of all parameters that is loaded.
  let progress: @Sendable (Double) -> Void
  let totalCount: Int
  private var loadedCount = 0

  init(
    configuration: CausalLMConfiguration, names: TensorNames, scheme: QuantizationScheme,
    source: WeightSource, pool: ThreadPool, progress: @escaping @Sendable (Double) -> Void
  ) throws(ModelError) {
    let manifest = WeightManifest(configuration, names: names)
    let required = try manifest.byteCount(scheme: scheme, source: source)
    let available = Processor.availableMemoryByteCount
    guard required <= available else {
      throw .insufficientMemory(
        purpose: "The model", requiredBytes: required, availableBytes: available)
    }
    self.configuration = configuration
    self.names = names
    self.scheme = scheme
    self.source = source
    self.pool = pool
    self.progress = progress
    totalCount = manifest.parameterCount
  }

  mutating func build() throws(ModelError) -> Decoder {
    let c = configuration
    let embedding = try matrix(names.embedding, c.vocabularySize, c.hiddenSize, .embedding)
    var blocks: [DecoderBlock] = []
    for index in 0..<c.layerCount { blocks.append(try block(index)) }
    let norm = try norm(names.finalNorm)
    let head =
      c.tiedEmbeddings
      ? embedding : try matrix(names.head, c.vocabularySize, c.hiddenSize, .head)
    return Decoder(
      embedding: embedding, blocks: blocks, finalNorm: norm, head: Linear(weight: head, bias: nil))
  }

  private mutating func block(_ index: Int) throws(ModelError) -> DecoderBlock {
    func stem(_ part: KeyPath<TensorNames, String>) -> String { names.layer(index, part) }
    return DecoderBlock(
      inputNorm: try norm(stem(\.inputNorm) + ".weight"), attention: try attention(index),
      feedForwardNorm: try norm(stem(\.feedForwardNorm) + ".weight"),
      feedForward: try feedForward(index))
  }

  private mutating func attention(_ index: Int) throws(ModelError) -> Attention {
    let c = configuration
    let (bias, width) = (c.attentionBias, c.keyValueWidth)
    return Attention(
      query: try linear(names.layer(index, \.query), c.queryWidth, c.hiddenSize, bias: bias),
      key: try linear(names.layer(index, \.key), width, c.hiddenSize, bias: bias),
      value: try linear(names.layer(index, \.value), width, c.hiddenSize, bias: bias),
      output: try linear(
        names.layer(index, \.attentionOutput), c.hiddenSize, c.queryWidth, bias: bias),
      headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount,
      headDimension: c.headDimension, scale: c.attentionScale, causal: true)
  }

  private mutating func feedForward(_ index: Int) throws(ModelError) -> FeedForward {
    let c = configuration
    let bias = c.feedForwardBias
    switch c.feedForward {
    case .gated(.silu):
      return .gatedSilu(
        gate: try linear(names.layer(index, \.gate), c.intermediateSize, c.hiddenSize, bias: bias),
        up: try linear(names.layer(index, \.up), c.intermediateSize, c.hiddenSize, bias: bias),
        down: try linear(names.layer(index, \.down), c.hiddenSize, c.intermediateSize, bias: bias))
    }
  }

  private mutating func norm(_ name: String) throws(ModelError) -> NormLayer {
    let weight = try vector(name, configuration.hiddenSize)
    switch configuration.normalization {
    case .rms(let epsilon): return .rms(weight: weight, epsilon: epsilon)
    }
  }

  private mutating func linear(_ stem: String, _ rows: Int, _ columns: Int, bias: Bool)
    throws(ModelError) -> Linear
  {
    Linear(
      weight: try matrix(stem + ".weight", rows, columns, .linear),
      bias: bias ? try vector(stem + ".bias", rows) : nil)
  }

  private mutating func vector(_ name: String, _ count: Int) throws(ModelError) -> [Float] {
    let values = try source.vector(name, count: count)
    advance(by: count)
    return values
  }

  private mutating func matrix(
    _ name: String, _ rows: Int, _ columns: Int, _ role: QuantizationScheme.Role
  ) throws(ModelError) -> WeightMatrix {
    let item = WeightManifest.Item(name: name, shape: [rows, columns], role: role)
    let format = scheme.format(of: role, columns: columns, stored: try source.format(of: item))
    let matrix = try source.matrix(
      name, rows: rows, columns: columns, format: format, pool: pool)
    advance(by: rows * columns)
    return matrix
  }

  private mutating func advance(by count: Int) {
    loadedCount += count
    progress(Double(loadedCount) / Double(totalCount))
  }
}

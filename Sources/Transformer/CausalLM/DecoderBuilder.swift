// Makes a decoder's layers from a configuration and a store of weights, which quantises each matrix
// as it is asked for or has it already. Relies on the store's layout having been checked against the
// source, so that a broken checkpoint is refused before minutes are spent on its first half.

import Checkpoints
import Compute
import ModelFamilies
import Quantization

struct DecoderBuilder {
  let configuration: CausalLMConfiguration
  let scheme: QuantizationScheme
  let weights: WeightStore
  let pool: ThreadPool
  /// Told the share of all parameters that is loaded.
  let progress: @Sendable (Double) -> Void
  private var loadedCount = 0
  /// What was built, as adapters find it.
  private(set) var modules = ModelModules()

  init(
    configuration: CausalLMConfiguration, scheme: QuantizationScheme, weights: WeightStore,
    pool: ThreadPool, progress: @escaping @Sendable (Double) -> Void
  ) {
    self.configuration = configuration
    self.scheme = scheme
    self.weights = weights
    self.pool = pool
    self.progress = progress
  }

  mutating func build() throws(ModelError) -> Decoder {
    let c = configuration
    let embedding = try matrix(TensorName.embedding)
    let positions = c.learntPositionCount == nil ? nil : try matrix(TensorName.positions)
    var blocks: [DecoderBlock] = []
    for index in c.layers.indices { blocks.append(try block(index)) }
    let norm = try norm(TensorName.finalNorm)
    let head = c.tiedEmbeddings ? embedding : try matrix(TensorName.head)
    let decoder = Decoder(
      embedding: embedding, embeddingScale: c.embeddingScale, positions: positions,
      blocks: blocks, finalNorm: norm, head: Linear(weight: head, bias: nil),
      logitScale: c.logitScale, logitSoftCap: c.logitSoftCap)
    modules.embedding = embedding
    modules.linears[TensorName.head] = decoder.head
    return decoder
  }

  private mutating func block(_ index: Int) throws(ModelError) -> DecoderBlock {
    let c = configuration
    let (before, after) = (c.normPlacement != .after, c.normPlacement != .before)
    let inputNorm = before ? try norm(TensorName.layer(index, .inputNorm)) : nil
    let attention = try attention(index)
    let attentionOutputNorm = after ? try norm(TensorName.layer(index, .attentionOutputNorm)) : nil
    let feedForwardNorm =
      before && c.residual != .parallelWithOneNorm
      ? try norm(TensorName.layer(index, .feedForwardNorm)) : nil
    let feedForward = try feedForward(index)
    return DecoderBlock(
      inputNorm: inputNorm, attention: attention, attentionOutputNorm: attentionOutputNorm,
      feedForwardNorm: feedForwardNorm, feedForward: feedForward,
      feedForwardOutputNorm: after
        ? try norm(TensorName.layer(index, .feedForwardOutputNorm)) : nil,
      isParallel: c.residual != .sequential, residualScale: c.residualScale)
  }

  private mutating func attention(_ index: Int) throws(ModelError) -> Attention {
    let c = configuration
    let query = try linear(TensorName.layer(index, .query), bias: c.queryKeyValueBias)
    let key = try linear(TensorName.layer(index, .key), bias: c.queryKeyValueBias)
    let value = try linear(TensorName.layer(index, .value), bias: c.queryKeyValueBias)
    let hasNorms = c.queryKeyNorm != nil
    let queryNorm = hasNorms ? try norm(TensorName.layer(index, .queryNorm)) : nil
    let keyNorm = hasNorms ? try norm(TensorName.layer(index, .keyNorm)) : nil
    return Attention(
      query: query, key: key, value: value,
      output: try linear(
        TensorName.layer(index, .attentionOutput), bias: c.attentionOutputBias),
      headCount: c.headCount, keyValueHeadCount: c.keyValueHeadCount,
      headDimension: c.headDimension, scale: c.attentionScale, causal: true,
      queryNorm: queryNorm, keyNorm: keyNorm, rotary: c.layers[index].rotary,
      window: c.layers[index].window ?? 0, softCap: c.attentionSoftCap ?? 0,
      slopes: c.scoreSlopes)
  }

  private mutating func feedForward(_ index: Int) throws(ModelError) -> FeedForward {
    let c = configuration
    if let experts = c.experts, c.layers[index].hasExperts {
      return .experts(try self.experts(experts, index))
    }
    func stem(_ part: LayerPart) -> String { TensorName.layer(index, part) }
    switch c.feedForward {
    case .gated(let activation):
      return .gated(
        GatedFeedForward(
          activation: activation, gate: try linear(stem(.gate), bias: c.feedForwardBias),
          up: try linear(stem(.up), bias: c.feedForwardBias),
          down: try linear(stem(.down), bias: c.feedForwardBias)))
    case .plain(let activation):
      return .plain(
        activation, up: try linear(stem(.up), bias: c.feedForwardBias),
        down: try linear(stem(.down), bias: c.feedForwardBias))
    }
  }

  private mutating func experts(_ experts: CausalLMConfiguration.Experts, _ index: Int)
    throws(ModelError) -> Experts
  {
    func stem(_ part: LayerPart) -> String { TensorName.layer(index, part) }
    let router = try linear(stem(.router), bias: false)
    var networks: [GatedFeedForward] = []
    for expert in 0..<experts.count {
      func stem(_ part: LayerPart) -> String { TensorName.expert(expert, layer: index, part) }
      networks.append(try gated(stem(.expertGate), stem(.expertUp), stem(.expertDown)))
    }
    var shared: Experts.Shared?
    if experts.sharedIntermediateSize != nil {
      shared = Experts.Shared(
        network: try gated(
          stem(.sharedExpertGate), stem(.sharedExpertUp), stem(.sharedExpertDown)),
        gate: try linear(stem(.sharedExpertSwitch), bias: false))
    }
    return Experts(
      router: router, networks: networks, countPerToken: experts.countPerToken,
      normalizesWeights: experts.normalizesWeights, shared: shared)
  }

  private mutating func gated(_ gate: String, _ up: String, _ down: String) throws(ModelError)
    -> GatedFeedForward
  {
    guard case .gated(let activation) = configuration.feedForward else {
      preconditionFailure("experts are gated")
    }
    return GatedFeedForward(
      activation: activation, gate: try linear(gate, bias: false),
      up: try linear(up, bias: false), down: try linear(down, bias: false))
  }

  private mutating func norm(_ stem: String) throws(ModelError) -> NormLayer {
    let weight = try vector(stem + ".weight")
    modules.norms[stem] = weight.count
    switch configuration.normalization {
    case .rms(let epsilon, let offset):
      return .rms(weight: weight, epsilon: epsilon, offset: offset)
    case .layer(let epsilon, let hasBias):
      let bias = hasBias ? try vector(stem + ".bias") : Array(repeating: 0, count: weight.count)
      return .layer(weight: weight, bias: bias, epsilon: epsilon)
    }
  }

  private mutating func linear(_ stem: String, bias: Bool) throws(ModelError) -> Linear {
    let linear = Linear(weight: try matrix(stem), bias: bias ? try vector(stem + ".bias") : nil)
    modules.linears[stem] = linear
    return linear
  }

  private mutating func vector(_ name: String) throws(ModelError) -> [Float] {
    let values = try weights.vector(name)
    advance(by: values.count)
    return values
  }

  private mutating func matrix(_ stem: String) throws(ModelError) -> WeightMatrix {
    let matrix = try weights.matrix(stem + ".weight", pool: pool)
    advance(by: matrix.rows * matrix.columns)
    return matrix
  }

  private mutating func advance(by count: Int) {
    loadedCount += count
    progress(Double(loadedCount) / Double(weights.layout.parameterCount))
  }
}

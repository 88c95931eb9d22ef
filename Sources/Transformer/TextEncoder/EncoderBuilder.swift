// Makes an encoder's layers from its configuration and checkpoint, in float32.

import Compute

struct EncoderBuilder {
  let configuration: TextEncoderConfiguration
  let checkpoint: Checkpoint
  let names: EncoderTensorNames
  let pool: ThreadPool

  init(configuration: TextEncoderConfiguration, checkpoint: Checkpoint, pool: ThreadPool) {
    self.configuration = configuration
    self.checkpoint = checkpoint
    self.pool = pool
    names = .of(checkpoint)
  }

  func build() throws(ModelError) -> Encoder {
    let c = configuration
    let types = try checkpoint.tensor(names.types, shape: [c.typeCount, c.hiddenSize]).values()
    let positions = try checkpoint.tensor(names.positions, shape: [c.positionCount, c.hiddenSize])
    var blocks: [EncoderBlock] = []
    for index in 0..<c.layerCount { blocks.append(try block(names.layers + "\(index).")) }
    return Encoder(
      words: try matrix(names.words, c.vocabularySize, c.hiddenSize),
      positions: positions.values(), type: Array(types.prefix(c.hiddenSize)),
      embeddingNorm: try norm(names.embeddingNorm), blocks: blocks)
  }

  private func block(_ stem: String) throws(ModelError) -> EncoderBlock {
    let (hidden, intermediate) = (configuration.hiddenSize, configuration.intermediateSize)
    return EncoderBlock(
      attention: Attention(
        query: try linear(stem + names.query, hidden, hidden),
        key: try linear(stem + names.key, hidden, hidden),
        value: try linear(stem + names.value, hidden, hidden),
        output: try linear(stem + names.attentionOutput, hidden, hidden),
        headCount: configuration.headCount, keyValueHeadCount: configuration.headCount,
        headDimension: configuration.headDimension,
        scale: 1 / Float(configuration.headDimension).squareRoot(), causal: false, rotary: nil),
      attentionNorm: try norm(stem + names.attentionNorm),
      feedForward: .plain(
        .gelu, up: try linear(stem + names.up, intermediate, hidden),
        down: try linear(stem + names.down, hidden, intermediate)),
      outputNorm: try norm(stem + names.outputNorm))
  }

  private func norm(_ stem: String) throws(ModelError) -> NormLayer {
    .layer(
      weight: try vector(stem + ".weight", configuration.hiddenSize),
      bias: try vector(stem + ".bias", configuration.hiddenSize), epsilon: configuration.epsilon)
  }

  private func linear(_ stem: String, _ rows: Int, _ columns: Int) throws(ModelError) -> Linear {
    Linear(
      weight: try matrix(stem + ".weight", rows, columns), bias: try vector(stem + ".bias", rows))
  }

  private func vector(_ name: String, _ count: Int) throws(ModelError) -> [Float] {
    try checkpoint.tensor(name, shape: [count]).values()
  }

  private func matrix(_ name: String, _ rows: Int, _ columns: Int) throws(ModelError)
    -> WeightMatrix
  {
    try WeightSource.checkpoint(checkpoint)
      .matrix(name, rows: rows, columns: columns, format: .float32, pool: pool)
  }
}

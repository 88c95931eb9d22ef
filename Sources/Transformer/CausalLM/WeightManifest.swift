// The list of all tensors that a configuration asks for, with their shapes, made before anything is
// read: against it a checkpoint is checked, memory is laid out and progress is counted.

import Checkpoints
import ModelFamilies
import Quantization

struct WeightManifest: Sendable {
  struct Item: Sendable, Hashable {
    var name: String
    var shape: [Int]
    /// Nil for norms and biases.
    var role: QuantizationScheme.Role?

    var elementCount: Int { shape.reduce(1, *) }
  }

  private(set) var items: [Item] = []
  private let configuration: CausalLMConfiguration

  /// Each parameter counted once.
  var parameterCount: Int { items.reduce(0) { $0 + $1.elementCount } }

  init(_ configuration: CausalLMConfiguration) {
    self.configuration = configuration
    let (vocabulary, width) = (configuration.vocabularySize, configuration.hiddenSize)
    matrix(TensorName.embedding, vocabulary, width, .embedding)
    if let count = configuration.learntPositionCount {
      matrix(TensorName.positions, count, width, .kept)
    }
    for index in configuration.layers.indices { addLayer(index) }
    norm(TensorName.finalNorm, width)
    if !configuration.tiedEmbeddings { matrix(TensorName.head, vocabulary, width, .head) }
  }

  private mutating func addLayer(_ index: Int) {
    func stem(_ part: LayerPart) -> String { TensorName.layer(index, part) }
    let c = configuration
    let (before, after) = (c.normPlacement != .after, c.normPlacement != .before)
    if before { norm(stem(.inputNorm), c.hiddenSize) }
    linear(stem(.query), c.queryWidth, c.hiddenSize, bias: c.queryKeyValueBias)
    linear(stem(.key), c.keyValueWidth, c.hiddenSize, bias: c.queryKeyValueBias)
    linear(stem(.value), c.keyValueWidth, c.hiddenSize, bias: c.queryKeyValueBias)
    if let kind = c.queryKeyNorm {
      norm(stem(.queryNorm), kind == .whole ? c.queryWidth : c.headDimension)
      norm(stem(.keyNorm), kind == .whole ? c.keyValueWidth : c.headDimension)
    }
    linear(stem(.attentionOutput), c.hiddenSize, c.queryWidth, bias: c.attentionOutputBias)
    if after { norm(stem(.attentionOutputNorm), c.hiddenSize) }
    if before, c.residual != .parallelWithOneNorm { norm(stem(.feedForwardNorm), c.hiddenSize) }
    if let experts = c.experts, c.layers[index].hasExperts {
      addExperts(experts, index)
    } else {
      if case .gated = c.feedForward {
        linear(stem(.gate), c.intermediateSize, c.hiddenSize, bias: c.feedForwardBias)
      }
      linear(stem(.up), c.intermediateSize, c.hiddenSize, bias: c.feedForwardBias)
      linear(stem(.down), c.hiddenSize, c.intermediateSize, bias: c.feedForwardBias)
    }
    if after { norm(stem(.feedForwardOutputNorm), c.hiddenSize) }
  }

  private mutating func addExperts(_ experts: CausalLMConfiguration.Experts, _ index: Int) {
    let width = configuration.hiddenSize
    func stem(_ part: LayerPart) -> String { TensorName.layer(index, part) }
    matrix(stem(.router), experts.count, width, .kept)
    for expert in 0..<experts.count {
      func stem(_ part: LayerPart) -> String { TensorName.expert(expert, layer: index, part) }
      matrix(stem(.expertGate), experts.intermediateSize, width, .linear)
      matrix(stem(.expertUp), experts.intermediateSize, width, .linear)
      matrix(stem(.expertDown), width, experts.intermediateSize, .linear)
    }
    guard let shared = experts.sharedIntermediateSize else { return }
    matrix(stem(.sharedExpertGate), shared, width, .linear)
    matrix(stem(.sharedExpertUp), shared, width, .linear)
    matrix(stem(.sharedExpertDown), width, shared, .linear)
    matrix(stem(.sharedExpertSwitch), 1, width, .kept)
  }

  private mutating func vector(_ name: String, _ count: Int) {
    items.append(Item(name: name, shape: [count], role: nil))
  }

  private mutating func norm(_ stem: String, _ count: Int) {
    vector(stem + ".weight", count)
    if case .layer(_, bias: true) = configuration.normalization { vector(stem + ".bias", count) }
  }

  private mutating func matrix(
    _ stem: String, _ rows: Int, _ columns: Int, _ role: QuantizationScheme.Role
  ) {
    items.append(Item(name: stem + ".weight", shape: [rows, columns], role: role))
  }

  private mutating func linear(_ stem: String, _ rows: Int, _ columns: Int, bias: Bool) {
    matrix(stem, rows, columns, .linear)
    if bias { vector(stem + ".bias", rows) }
  }
}

// The list of all tensors that a configuration asks for, with their shapes, made before anything is
// read: against it a checkpoint is checked, memory is laid out and progress is counted.

struct WeightManifest: Sendable {
  struct Item: Sendable, Hashable {
    var name: String
    var shape: [Int]
    /// Nil for norms and biases.
    var role: QuantizationScheme.Role?

    var elementCount: Int { shape.reduce(1, *) }
  }

  private(set) var items: [Item] = []

  /// Each parameter counted once.
  var parameterCount: Int { items.reduce(0) { $0 + $1.elementCount } }

  init(_ configuration: CausalLMConfiguration, names: TensorNames) {
    let c = configuration
    matrix(names.embedding, c.vocabularySize, c.hiddenSize, .embedding)
    for index in 0..<c.layerCount {
      func stem(_ part: KeyPath<TensorNames, String>) -> String { names.layer(index, part) }
      vector(stem(\.inputNorm) + ".weight", c.hiddenSize)
      linear(stem(\.query), c.queryWidth, c.hiddenSize, bias: c.attentionBias)
      linear(stem(\.key), c.keyValueWidth, c.hiddenSize, bias: c.attentionBias)
      linear(stem(\.value), c.keyValueWidth, c.hiddenSize, bias: c.attentionBias)
      linear(stem(\.attentionOutput), c.hiddenSize, c.queryWidth, bias: c.attentionBias)
      vector(stem(\.feedForwardNorm) + ".weight", c.hiddenSize)
      linear(stem(\.gate), c.intermediateSize, c.hiddenSize, bias: c.feedForwardBias)
      linear(stem(\.up), c.intermediateSize, c.hiddenSize, bias: c.feedForwardBias)
      linear(stem(\.down), c.hiddenSize, c.intermediateSize, bias: c.feedForwardBias)
    }
    vector(names.finalNorm, c.hiddenSize)
    if !c.tiedEmbeddings { matrix(names.head, c.vocabularySize, c.hiddenSize, .head) }
  }

  private mutating func vector(_ name: String, _ count: Int) {
    items.append(Item(name: name, shape: [count], role: nil))
  }

  private mutating func matrix(
    _ name: String, _ rows: Int, _ columns: Int, _ role: QuantizationScheme.Role
  ) {
    items.append(Item(name: name, shape: [rows, columns], role: role))
  }

  private mutating func linear(_ stem: String, _ rows: Int, _ columns: Int, bias: Bool) {
    matrix(stem + ".weight", rows, columns, .linear)
    if bias { vector(stem + ".bias", rows) }
  }
}

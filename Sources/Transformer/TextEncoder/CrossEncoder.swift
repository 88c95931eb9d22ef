// A model that reads two texts together and gives one score (transformers'
// ...ForSequenceClassification with one label, as sentence-transformers' CrossEncoder): an encoder,
// one dense layer with its activation, one linear output. Refuses models of several labels, and
// families whose classifiers there is no code for.

package import Checkpoints
package import Compute
import Glibc
import JSON
import ModelFamilies

package final class CrossEncoder: Sendable {
  /// The directory's name.
  package let name: String
  /// Tokens of a pair at most, special ones included.
  package let maximumTokens: Int
  package let tokenizerDirectory: String
  /// Texts are to be put into lower case before they are tokenized.
  package let lowercases: Bool

  private let pass: EncoderPass
  private let head: Head
  private let usesSigmoid: Bool
  /// Whether the tokenizer tells the model which text a token belongs to.
  private let usesTypes: Bool
  private let hiddenSize: Int
  private let pool: ThreadPool

  private struct Head: Sendable {
    let dense: Linear
    let activation: ClassifierOptions.Activation
    let norm: NormLayer?
    let output: Linear
    let classifiesMean: Bool

    init(
      _ options: ClassifierOptions, _ file: ConfigurationFile, _ builder: EncoderBuilder
    ) throws(ModelError) {
      let width = builder.configuration.hiddenSize
      var (hasBias, pooling) = (true, "cls")
      if let key = options.biasKey { hasBias = try file.bool(key) ?? false }
      if let key = options.poolingKey {
        pooling = try file.string(key) ?? pooling
        guard ["cls", "mean"].contains(pooling) else {
          throw file.unsupported(key, pooling, supported: ["cls", "mean"])
        }
      }
      dense = try builder.linear(options.dense, width, width, bias: hasBias)
      activation = options.activation
      norm = try options.norm.map { (name) throws(ModelError) in try builder.norm(name) }
      output = try builder.linear(options.output, 1, width, bias: true)
      classifiesMean = pooling == "mean"
    }
  }

  package static func load(
    directory: String, precision: EncoderPrecision? = .float32, pool: ThreadPool
  ) throws(ModelError) -> CrossEncoder {
    guard directoryExists(directory) else { throw .missingDirectory(path: directory) }
    let layout = try SentenceTransformersLayout(directory: directory, needsPooling: false)
    let file = try ConfigurationFile(
      path: layout.modelDirectory + "/config.json",
      remedy: "a reranking model's directory in Hugging Face layout has one")
    let family = try EncoderFamily.of(file)
    let architecture = file["architectures"]?[0]?.string ?? "unnamed"
    guard let options = family.classifier, architecture.hasSuffix("ForSequenceClassification")
    else {
      throw .unsupportedOption(
        path: file.path, key: "architectures", value: architecture,
        supported: ["...ForSequenceClassification of a text encoder, with one label"])
    }
    try requireOneLabel(file)
    let configuration = try family.configuration(file)
    let checkpoint = try Checkpoint(directory: layout.modelDirectory)
    let builder = EncoderBuilder(
      configuration: configuration, checkpoint: checkpoint, names: family.names,
      precision: precision ?? .preferred(for: configuration), pool: pool)
    let head = try Head(options, file, builder)
    return CrossEncoder(
      name: directoryName(directory), encoder: try builder.build(), configuration: configuration,
      layout: layout, head: head, usesSigmoid: try usesSigmoid(file, directory), pool: pool)
  }

  private init(
    name: String, encoder: Encoder, configuration: TextEncoderConfiguration,
    layout: SentenceTransformersLayout, head: Head, usesSigmoid: Bool, pool: ThreadPool
  ) {
    self.name = name
    self.head = head
    self.usesSigmoid = usesSigmoid
    self.pool = pool
    tokenizerDirectory = layout.modelDirectory
    lowercases = layout.lowercases
    usesTypes = layout.passesTokenTypes
    hiddenSize = configuration.hiddenSize
    maximumTokens = min(layout.maximumTokens ?? .max, configuration.maximumTokens)
    pass = EncoderPass(
      encoder: encoder, configuration: configuration, maximumTokens: maximumTokens, pool: pool)
  }

  /// One score per pair, higher for what fits better. Throws only where memory runs out.
  package func scores(_ pairs: [EncoderInput]) throws(ModelError) -> [Float] {
    let mean = Pooling()
    let inputs = usesTypes ? pairs : pairs.map { EncoderInput(ids: $0.ids) }
    let pooled = try pass.run(inputs) { rows, count in
      head.classifiesMean
        ? mean.apply(rows, count: count, width: hiddenSize)
        : Array(UnsafeBufferPointer(start: rows, count: hiddenSize))
    }
    return pooled.map { vector in
      let logit = vector.map(logit) ?? 0
      return usesSigmoid ? 1 / (1 + expf(-logit)) : logit
    }
  }

  private func logit(_ vector: [Float]) -> Float {
    var inner = head.dense.apply(vector, pool: pool)
    switch head.activation {
    case .tanh: DenseModule.Activation.tanh.apply(&inner)
    case .relu: DenseModule.Activation.relu.apply(&inner)
    case .gelu: DenseModule.Activation.gelu.apply(&inner)
    }
    if let norm = head.norm {
      inner.withUnsafeMutableBufferPointer { inner in
        guard let base = inner.baseAddress else { return }
        let view = Activations(base: base, rows: 1, columns: inner.count)
        norm.apply(view, into: view, rows: 0..<1)
      }
    }
    return head.output.apply(inner, pool: pool)[0]
  }

  // What config.json says --------------------------------------------------------------------------

  /// transformers takes two labels where nothing is said.
  private static func requireOneLabel(_ file: ConfigurationFile) throws(ModelError) {
    let labels = try file.object("id2label")?.root.count
    let number = try file.integer("num_labels", in: 1...(1 << 20))
    let count = labels ?? number ?? 2
    guard count == 1 else {
      throw file.unsupported("id2label", "\(count) labels", supported: ["1 label"])
    }
  }

  /// What sentence-transformers does to the logit: what its own file says, or its part of
  /// config.json, or before version 4 a key there; without any the sigmoid.
  private static func usesSigmoid(_ file: ConfigurationFile, _ directory: String)
    throws(ModelError) -> Bool
  {
    var places = [(file, "sbert_ce_default_activation_function")]
    if let part = try file.object("sentence_transformers") {
      places.insert((part, "activation_fn"), at: 0)
    }
    let path = directory + "/config_sentence_transformers.json"
    if fileExists(path) {
      places.insert((try ConfigurationFile(path: path, remedy: ""), "activation_fn"), at: 0)
    }
    for (place, key) in places {
      switch try place.string(key)?.split(separator: ".").last {
      case nil: continue
      case "Sigmoid": return true
      case "Identity": return false
      case let name?:
        throw place.unsupported(key, "\(name)", supported: ["Sigmoid", "Identity"])
      }
    }
    return true
  }
}

// A model that turns texts into vectors: an encoder, or a decoder, with its pooling and what follows
// it, from a directory in sentence-transformers' layout. Takes token ids with special tokens. A text's
// vector is the same bit for bit whatever texts are embedded beside it.

package import Checkpoints
package import Compute
import Glibc
import ModelFamilies

package final class TextEncoder: Sendable {
  /// The directory's name.
  package let name: String
  /// Values in a vector.
  package let dimension: Int
  /// Tokens of one text at most, special ones included.
  package let maximumTokens: Int
  package let vocabularySize: Int
  /// Texts are to be put into lower case before they are tokenized.
  package let lowercases: Bool
  package let prompts: ModelPrompts
  package let tokenizerDirectory: String
  /// SHA-256 of the weights' files, in hexadecimal digits.
  package let weightHash: String

  private let pass: EncoderPass
  private let pooling: Pooling
  private let steps: [Step]
  private let hiddenSize: Int
  private let pool: ThreadPool

  private enum Step: Sendable {
    case dense(DenseModule)
    case normalize
  }

  /// Whether activations stay in bfloat16 between products, which is quicker.
  package var keepsPairs: Bool { pass.keepsPairs }

  package static func load(
    directory: String, precision: EncoderPrecision? = .float32, pool: ThreadPool
  ) throws(ModelError) -> TextEncoder {
    guard directoryExists(directory) else { throw .missingDirectory(path: directory) }
    let layout = try SentenceTransformersLayout(directory: directory)
    let file = try ConfigurationFile(
      path: layout.modelDirectory + "/config.json",
      remedy: "an embedding model's directory in Hugging Face layout has one")
    let model = try Model(layout: layout, file: file, precision: precision, pool: pool)
    var dimension = model.hiddenSize * layout.pooling.modes.count
    var (steps, files): ([Step], [MappedFile]) = ([], model.files)
    for step in layout.steps {
      switch step {
      case .normalize: steps.append(.normalize)
      case .dense(let folder):
        let dense = try DenseModule(directory: folder, inputCount: dimension, pool: pool)
        dimension = dense.dimension
        files += dense.files
        steps.append(.dense(dense))
      }
    }
    return TextEncoder(
      name: directoryName(directory), model: model, layout: layout, steps: steps,
      dimension: dimension, prompts: try ModelPrompts(directory: directory),
      weightHash: try FileDigest.sha256(of: files), pool: pool)
  }

  /// The layers, as far as the rest needs to know them.
  private struct Model {
    let pass: EncoderPass
    let vocabularySize: Int
    let hiddenSize: Int
    let maximumTokens: Int
    let files: [MappedFile]

    /// An encoder, or a decoder where config.json names the architecture of one.
    init(
      layout: SentenceTransformersLayout, file: ConfigurationFile, precision: EncoderPrecision?,
      pool: ThreadPool
    ) throws(ModelError) {
      func limit(_ count: Int) -> Int { min(layout.maximumTokens ?? .max, count) }
      if let family = ModelFamily.ofLayers(file) {
        let layers = try DecoderLayers(
          directory: layout.modelDirectory, family: family, pool: pool)
        vocabularySize = layers.configuration.vocabularySize
        hiddenSize = layers.configuration.hiddenSize
        maximumTokens = limit(layers.configuration.contextLength)
        files = layers.files
        pass = EncoderPass(decoder: layers, maximumTokens: maximumTokens, pool: pool)
        return
      }
      let family = try EncoderFamily.of(file)
      let configuration = try family.configuration(file)
      let checkpoint = try Checkpoint(directory: layout.modelDirectory)
      let builder = EncoderBuilder(
        configuration: configuration, checkpoint: checkpoint, names: family.names,
        precision: precision ?? .preferred(for: configuration), pool: pool)
      vocabularySize = configuration.vocabularySize
      hiddenSize = configuration.hiddenSize
      maximumTokens = limit(configuration.maximumTokens)
      files = checkpoint.files
      pass = EncoderPass(
        encoder: try builder.build(), configuration: configuration, maximumTokens: maximumTokens,
        pool: pool)
    }
  }

  private init(
    name: String, model: Model, layout: SentenceTransformersLayout, steps: [Step], dimension: Int,
    prompts: ModelPrompts, weightHash: String, pool: ThreadPool
  ) {
    self.name = name
    self.dimension = dimension
    self.prompts = prompts
    self.weightHash = weightHash
    self.pool = pool
    self.steps = steps
    vocabularySize = model.vocabularySize
    maximumTokens = model.maximumTokens
    lowercases = layout.lowercases
    tokenizerDirectory = layout.modelDirectory
    pooling = layout.pooling
    hiddenSize = model.hiddenSize
    pass = model.pass
  }

  /// One vector per text. Ids come with special tokens and cut to `maximumTokens` (what is longer
  /// is cut here); a text of no ids at all has a vector of zeros. Throws only where memory runs out.
  /// - Parameter promptTokenCount: how many ids at the beginning are a prompt's
  package func embed(_ batch: [[Int32]], promptTokenCount: Int = 0) throws(ModelError) -> [[Float]]
  {
    let pooled = try pass.run(batch.map { EncoderInput(ids: $0) }) { rows, count in
      pooling.apply(rows, count: count, width: hiddenSize, promptCount: promptTokenCount)
    }
    return pooled.map { vector in
      guard var vector else { return Array(repeating: 0, count: dimension) }
      for step in steps {
        switch step {
        case .dense(let dense): vector = dense.apply(vector, pool: pool)
        case .normalize: normalizeLength(&vector)
        }
      }
      return vector
    }
  }

  /// Activations [count][D] of one text's last layer.
  func hiddenStates(_ ids: [Int32]) throws(ModelError) -> [Float] {
    let width = hiddenSize
    let states = try pass.run([EncoderInput(ids: ids)]) { rows, count in
      Array(UnsafeBufferPointer(start: rows, count: count * width))
    }
    return states.first.flatMap { $0 } ?? []
  }
}

/// The last component of a path once links and dots are resolved.
func directoryName(_ path: String) -> String {
  let resolved = realpath(path, nil)
  defer { free(resolved) }
  let full = resolved.map { String(cString: $0) } ?? path
  return full.split(separator: "/").last.map(String.init) ?? full
}

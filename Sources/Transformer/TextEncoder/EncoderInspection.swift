// What a text encoder is made of and what memory it takes. It is loaded for it: encoders are small, and
// then what is refused here is what loading refuses.

package import Checkpoints
package import Compute
import ModelFamilies

package struct EncoderInspection: Sendable {
  /// What a server takes the model for.
  package enum Use: String, Sendable {
    case embedding
    /// Scores pairs of texts.
    case reranking
  }

  package let use: Use
  package let architecture: String
  package let parameterCount: Int
  /// Parameters by the type that the files store them in.
  package let parametersByType: [String: Int]
  /// Bytes of all weight files.
  package let fileByteCount: Int
  package let layerCount: Int
  /// Tokens of one text at most, special ones included.
  package let maximumTokens: Int
  /// Of the vectors; nil for rerankers.
  package let dimension: Int?
  /// Bytes that the weights take, per precision.
  package let weightByteCounts: [EncoderPrecision: Int]
  /// What is loaded where no precision is asked for.
  package let preferred: EncoderPrecision

  /// nil where the directory's config.json is not a text encoder's. Throws what loading would throw.
  package init?(path: String, pool: ThreadPool) throws(ModelError) {
    guard directoryExists(path), let layout = try Self.layout(path),
      let (file, family) = Self.family(layout.modelDirectory)
    else { return nil }
    architecture = EncoderFamily.architecture(file)
    let configuration = try family.configuration(file)
    layerCount = configuration.layers.count
    preferred = .preferred(for: configuration)
    if architecture.hasSuffix("ForSequenceClassification") {
      use = .reranking
      maximumTokens = try CrossEncoder.load(directory: path, pool: pool).maximumTokens
      dimension = nil
    } else {
      let encoder = try TextEncoder.load(directory: path, pool: pool)
      use = .embedding
      maximumTokens = encoder.maximumTokens
      dimension = encoder.dimension
    }
    let checkpoint = try Checkpoint(directory: layout.modelDirectory)
    var (total, matrices, types) = (0, 0, [String: Int]())
    for name in checkpoint.tensorNames {
      guard let tensor = checkpoint.stored(name), tensor.elementType.weightFormat != nil else {
        continue
      }
      let count = tensor.elementCount
      total += count
      types[tensor.elementType.rawValue, default: 0] += count
      // Tables of embeddings are float32 in every precision.
      if tensor.shape.count == 2, !name.contains("embeddings.") { matrices += count }
    }
    parameterCount = total
    parametersByType = types
    fileByteCount = checkpoint.files.reduce(0) { $0 + $1.byteCount }
    weightByteCounts = [.float32: 4 * total, .bfloat16: 4 * total - 2 * matrices]
  }

  /// With pooling or, as rerankers have it, without; what is wrong with the modules of an encoder is told.
  private static func layout(_ path: String) throws(ModelError) -> SentenceTransformersLayout? {
    do throws(ModelError) { return try SentenceTransformersLayout(directory: path) } catch {
      if let plain = try? SentenceTransformersLayout(directory: path, needsPooling: false) {
        return plain
      }
      guard family(path) != nil else { return nil }
      throw error
    }
  }

  private static func family(_ directory: String) -> (ConfigurationFile, EncoderFamily)? {
    guard let file = try? ConfigurationFile(path: directory + "/config.json", remedy: ""),
      let family = try? EncoderFamily.of(file)
    else { return nil }
    return (file, family)
  }
}

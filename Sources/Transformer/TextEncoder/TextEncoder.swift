// A model that turns texts into vectors: a BERT-family encoder with its pooling, from a directory in
// sentence-transformers' layout. Takes token ids with special tokens. A text's vector is the same
// bit for bit whatever texts are embedded beside it.

package import Compute
import Glibc
import Synchronization

package final class TextEncoder: Sendable {
  /// The directory's name.
  package let name: String
  /// Values in a vector.
  package let dimension: Int
  /// Tokens of one text at most, special ones included.
  package let maximumTokens: Int
  package let vocabularySize: Int
  /// SHA-256 of the weights' files, in hexadecimal digits.
  package let weightHash: String

  private let encoder: Encoder
  private let pooling: Pooling
  private let normalize: Bool
  private let cacheLayout: KVCache.Layout
  private let pool: ThreadPool
  private let state = Mutex(State())

  private struct State {
    var workspace = Workspace()
    var cache: KVCache?
  }

  /// Tokens that go through the layers together: enough to use each weight well.
  private static let tokensPerPass = 1024

  package static func load(directory: String, pool: ThreadPool) throws(ModelError) -> TextEncoder {
    guard directoryExists(directory) else { throw .missingDirectory(path: directory) }
    let layout = try SentenceTransformersLayout(directory: directory)
    let file = try ConfigurationFile(
      path: layout.modelDirectory + "/config.json",
      remedy: "an embedding model's directory in Hugging Face layout has one")
    let configuration = try TextEncoderConfiguration(file)
    let checkpoint = try Checkpoint(directory: layout.modelDirectory)
    let builder = EncoderBuilder(configuration: configuration, checkpoint: checkpoint, pool: pool)
    return TextEncoder(
      name: directoryName(directory), encoder: try builder.build(), configuration: configuration,
      layout: layout, weightHash: try FileDigest.sha256(of: checkpoint.files), pool: pool)
  }

  private init(
    name: String, encoder: Encoder, configuration: TextEncoderConfiguration,
    layout: SentenceTransformersLayout, weightHash: String, pool: ThreadPool
  ) {
    self.name = name
    self.encoder = encoder
    self.weightHash = weightHash
    self.pool = pool
    dimension = configuration.hiddenSize
    vocabularySize = configuration.vocabularySize
    maximumTokens = min(layout.maximumTokens ?? .max, configuration.positionCount)
    pooling = layout.pooling
    normalize = layout.normalize
    cacheLayout = KVCache.Layout(
      layerCount: 1, keyValueHeadCount: configuration.headCount,
      headDimension: configuration.headDimension, halfPrecision: false)
  }

  /// One vector per text. Ids come with special tokens and cut to `maximumTokens` (what is longer
  /// is cut here); a text of no ids at all has a vector of zeros. Throws only where memory runs out.
  package func embed(_ batch: [[Int32]]) throws(ModelError) -> [[Float]] {
    var vectors: [[Float]] = []
    vectors.reserveCapacity(batch.count)
    var first = 0
    while first < batch.count {
      var (end, tokenCount) = (first, 0)
      repeat {
        tokenCount += min(batch[end].count, maximumTokens)
        end += 1
      } while end < batch.count
        && tokenCount + min(batch[end].count, maximumTokens) <= Self.tokensPerPass
      let texts = batch[first..<end].map { Array($0.prefix(maximumTokens)) }
      try vectors.append(contentsOf: embedTogether(texts))
      first = end
    }
    return vectors
  }

  private func embedTogether(_ texts: [[Int32]]) throws(ModelError) -> [[Float]] {
    let batch = Self.packed(texts)
    let blockCount = batch.spans.reduce(0) { $0 + $1.blocks.count }
    guard blockCount > 0 else { return texts.map { _ in zeros } }
    return try state.withLock { (state) throws(ModelError) in
      let cache = try cache(blockCount: blockCount, in: &state)
      let plan = BatchPlan(batch, causal: false, blockCount: cache.blockCount)
      let hidden = try encoder.forward(
        plan, cache: cache, workspace: &state.workspace, pool: pool)
      var row = 0
      return texts.map { text in
        defer { row += text.count }
        guard !text.isEmpty else { return zeros }
        var vector = pooling.apply(hidden[row], count: text.count, width: dimension)
        if normalize { normalizeLength(&vector) }
        return vector
      }
    }
  }

  private var zeros: [Float] { Array(repeating: 0, count: dimension) }

  /// A span per text, with KV blocks of its own in order.
  private static func packed(_ texts: [[Int32]]) -> Batch {
    var next: Int32 = 0
    return Batch(
      spans: texts.map { text in
        let count = Int32((text.count + KVCache.blockSize - 1) / KVCache.blockSize)
        defer { next += count }
        return Batch.Span(
          tokens: text, start: 0, blocks: Array(next..<next + count), logitCount: 0)
      })
  }

  private func cache(blockCount: Int, in state: inout State) throws(ModelError) -> KVCache {
    if let cache = state.cache, cache.blockCount >= blockCount { return cache }
    state.cache = nil  // frees the smaller one first
    let cache = try KVCache(layout: cacheLayout, blockCount: blockCount)
    state.cache = cache
    return cache
  }
}

/// The last component of a path once links and dots are resolved.
private func directoryName(_ path: String) -> String {
  let resolved = realpath(path, nil)
  defer { free(resolved) }
  let full = resolved.map { String(cString: $0) } ?? path
  return full.split(separator: "/").last.map(String.init) ?? full
}

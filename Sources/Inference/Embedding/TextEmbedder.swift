// Texts to vectors, exactly as sentence-transformers does it with the same directory. Tokenizing
// and computing happen on a thread of their own in small jobs, one at a time per request: that is
// where concurrent requests take turns, and where a cancelled one stops.

package import Compute
package import Tokenizers
package import Transformer

/// Vectors of several texts, in the order of the texts.
package struct EmbeddingBatch: Sendable, Equatable {
  package var vectors: [[Float]]
  /// Tokens computed per text, special ones included.
  package var tokenCounts: [Int]
  /// Whether the model's limit cut the text off.
  package var truncated: [Bool]

  package init(vectors: [[Float]], tokenCounts: [Int], truncated: [Bool]) {
    self.vectors = vectors
    self.tokenCounts = tokenCounts
    self.truncated = truncated
  }
}

/// An embedding model with its tokenizer.
package struct TextEmbedder: Sendable {
  package let tokenizer: Tokenizer
  package let prompts: ModelPrompts
  private let encoder: any SequenceEncoder
  private let frame: SpecialTokenFrame
  private let thread: ComputeThread

  private let tokensPerJob: Int
  /// UTF-8 bytes of text tokenized per job.
  private static let bytesPerJob = 65_536

  /// Loads a directory in sentence-transformers' layout. Throws `ModelError`, `TokenizerError` or
  /// `ComputeError`.
  package init(
    directory: String, precision: EncoderPrecision? = .float32, pool: ThreadPool
  ) throws {
    let encoder = try TextEncoder.load(directory: directory, precision: precision, pool: pool)
    let tokenizer = try Tokenizer(directory: encoder.tokenizerDirectory)
    try self.init(
      tokenizer: encoder.lowercases ? tokenizer.lowercasing() : tokenizer, encoder: encoder,
      prompts: encoder.prompts, threads: pool.threadCount)
  }

  init(
    tokenizer: Tokenizer, encoder: any SequenceEncoder, prompts: ModelPrompts = ModelPrompts(),
    threads: Int = 1
  ) throws {
    tokensPerJob = EmbeddingPlan.tokensPerGroup(threads: threads)
    self.tokenizer = tokenizer
    self.encoder = encoder
    self.prompts = prompts
    // Any text will do that is at least one token.
    frame = SpecialTokenFrame(
      bare: tokenizer.encode("a", addSpecialTokens: false),
      full: tokenizer.encode("a", addSpecialTokens: true))
    thread = try ComputeThread(name: "embedder", niceness: 19)
  }

  package var name: String { encoder.name }
  package var dimension: Int { encoder.dimension }
  package var maximumTokens: Int { encoder.maximumTokens }
  package var weightHash: String { encoder.weightHash }

  /// Tokens of a text with special ones, before any truncation.
  package func tokenCount(_ text: String) -> Int {
    tokenizer.encode(text, addSpecialTokens: false).count + frame.count
  }

  /// Throws `InferenceError`, or `CancellationError` between two jobs.
  /// - Parameter prompt: put in front of every text
  package func embed(_ texts: [String], prompt: String = "") async throws -> EmbeddingBatch {
    var sequences: [SpecialTokenFrame.Framed] = []
    sequences.reserveCapacity(texts.count)
    for slice in Self.slices(of: texts) {
      try Task.checkCancellation()
      sequences += try await thread.perform {
        texts[slice].map {
          frame.wrap(
            tokenizer.encode(prompt + $0, addSpecialTokens: false), maximumTokens: maximumTokens)
        }
      }
    }
    return try await compute(sequences, promptTokenCount: promptTokenCount(prompt))
  }

  /// Token ids are below it.
  package var vocabularySize: Int { encoder.vocabularySize }

  /// As for texts, with texts that were tokenized already; special tokens are added to those that
  /// come without.
  package func embed(tokens: [[Int32]]) async throws -> EmbeddingBatch {
    for ids in tokens {
      for (index, id) in ids.enumerated() where id < 0 || Int(id) >= encoder.vocabularySize {
        throw InferenceError.tokenOutOfRange(
          token: id, index: index, vocabularySize: encoder.vocabularySize)
      }
    }
    return try await compute(
      tokens.map { frame.wrap(frame.unwrap($0), maximumTokens: maximumTokens) })
  }

  /// As sentence-transformers counts it: the prompt's tokens alone, without a special one behind them.
  private func promptTokenCount(_ prompt: String) -> Int {
    guard !prompt.isEmpty else { return 0 }
    return tokenCount(prompt) - (frame.suffix.isEmpty ? 0 : 1)
  }

  private func compute(
    _ sequences: [SpecialTokenFrame.Framed], promptTokenCount: Int = 0
  ) async throws -> EmbeddingBatch {
    var vectors = [[Float]](repeating: [], count: sequences.count)
    let groups = EmbeddingPlan.groups(
      lengths: sequences.map(\.ids.count), tokensPerGroup: tokensPerJob)
    for group in groups {
      try Task.checkCancellation()
      let ids = group.map { sequences[$0].ids }
      let results = try await thread.perform { try encode(ids, promptTokenCount) }
      for (index, vector) in zip(group, results) { vectors[index] = vector }
    }
    return EmbeddingBatch(
      vectors: vectors, tokenCounts: sequences.map(\.ids.count),
      truncated: sequences.map(\.isTruncated))
  }

  private func encode(
    _ ids: [[Int32]], _ promptTokenCount: Int
  ) throws(InferenceError) -> [[Float]] {
    do {
      return try encoder.vectors(for: ids, promptTokenCount: promptTokenCount)
    } catch {
      throw .modelFailed("\(error)")
    }
  }

  /// Runs of texts of at most `bytesPerJob`, or of one.
  private static func slices(of texts: [String]) -> [Range<Int>] {
    var slices: [Range<Int>] = []
    var byteCount = 0
    for (index, text) in texts.enumerated() {
      if let last = slices.last, byteCount + text.utf8.count <= bytesPerJob {
        slices[slices.count - 1] = last.lowerBound..<index + 1
        byteCount += text.utf8.count
      } else {
        slices.append(index..<index + 1)
        byteCount = text.utf8.count
      }
    }
    return slices
  }
}

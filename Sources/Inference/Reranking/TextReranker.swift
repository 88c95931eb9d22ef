// Scores of texts for a query by a model that reads both together, exactly as sentence-transformers'
// CrossEncoder does it with the same directory. Tokenizing and computing happen on a thread of their
// own in small jobs, one at a time per request: that is where concurrent requests take turns, and
// where a cancelled one stops.

package import Compute
package import Tokenizers
package import Transformer

/// Scores of several texts, in the order of the texts.
package struct RerankingBatch: Sendable, Equatable {
  /// Higher for what answers the query better.
  package var scores: [Float]
  /// Tokens computed, special ones included.
  package var tokenCount: Int
}

package struct TextReranker: Sendable {
  package let tokenizer: Tokenizer
  private let encoder: CrossEncoder
  private let thread: ComputeThread

  private let tokensPerJob: Int

  /// Throws `ModelError`, `TokenizerError` or `ComputeError`.
  package init(
    directory: String, precision: EncoderPrecision? = .float32, pool: ThreadPool
  ) throws {
    tokensPerJob = EmbeddingPlan.tokensPerGroup(threads: pool.threadCount)
    encoder = try CrossEncoder.load(directory: directory, precision: precision, pool: pool)
    let tokenizer = try Tokenizer(directory: encoder.tokenizerDirectory)
    self.tokenizer = encoder.lowercases ? tokenizer.lowercasing() : tokenizer
    thread = try ComputeThread(name: "reranker", niceness: 19)
  }

  package var name: String { encoder.name }
  /// Tokens of query and text together, special ones included; longer pairs are cut.
  package var maximumTokens: Int { encoder.maximumTokens }

  /// Throws `InferenceError`, or `CancellationError` between two jobs.
  package func scores(query: String, texts: [String]) async throws -> RerankingBatch {
    let pairs = try await thread.perform {
      let first = tokenizer.encode(query, addSpecialTokens: false)
      return texts.map { text in
        let second = tokenizer.encode(text, addSpecialTokens: false)
        return tokenizer.pair(first, second, maximumTokens: maximumTokens)
      }
    }
    var scores = [Float](repeating: 0, count: texts.count)
    let groups = EmbeddingPlan.groups(
      lengths: pairs.map(\.ids.count), tokensPerGroup: tokensPerJob)
    for group in groups {
      try Task.checkCancellation()
      let inputs = group.map { EncoderInput(ids: pairs[$0].ids, types: pairs[$0].types) }
      let results = try await thread.perform { try compute(inputs) }
      for (index, score) in zip(group, results) { scores[index] = score }
    }
    return RerankingBatch(
      scores: scores, tokenCount: pairs.reduce(0) { $0 + $1.ids.count })
  }

  private func compute(_ inputs: [EncoderInput]) throws(InferenceError) -> [Float] {
    let scores: [Float]
    do { scores = try encoder.scores(inputs) } catch { throw .modelFailed("\(error)") }
    guard scores.allSatisfy(\.isFinite) else {
      throw .modelFailed("the reranking model \(name) gave a score that is no finite number")
    }
    return scores
  }
}

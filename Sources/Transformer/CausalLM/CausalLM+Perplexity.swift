// How well a model predicts a text: perplexity in strided windows, as Hugging Face's guide does it
// (https://huggingface.co/docs/transformers/perplexity). Each token but the first is predicted once,
// from the tokens before it in its window: those of a later window see `context - stride` at least.

package import Checkpoints
import Compute
import Glibc

package struct Perplexity: Sendable {
  /// In nats, over all predicted tokens.
  package internal(set) var negativeLogLikelihood = 0.0
  /// Predicted tokens.
  package internal(set) var tokenCount = 0

  package var value: Double { exp(negativeLogLikelihood / Double(tokenCount)) }
}

/// One window of a text: the tokens that the model sees, and those at their end that count.
struct PerplexityWindow: Hashable {
  let tokens: Range<Int>
  let targets: Range<Int>

  static func all(count: Int, context: Int, stride: Int) -> [PerplexityWindow] {
    var windows: [PerplexityWindow] = []
    var (start, counted) = (0, 1)
    while counted < count {
      let end = min(start + context, count)
      windows.append(PerplexityWindow(tokens: start..<end, targets: counted..<end))
      counted = end
      start += stride
    }
    return windows
  }
}

extension CausalLM {
  /// Rows of logits at a time, so that a large vocabulary needs no gigabytes.
  private static let perplexityRows = 128

  /// - Parameters:
  ///   - tokens: two at least
  ///   - context: tokens of a window, 2 at least
  ///   - stride: by how much each window is further on, 1 to `context - 1`
  ///   - progress: told the share that is done, from 0 to 1
  package func perplexity(
    of tokens: [Int32], context: Int, stride: Int, progress: (Double) -> Void = { _ in }
  ) throws(ModelError) -> Perplexity {
    precondition(context >= 2 && (1..<context).contains(stride))
    let cache = try makeKVCache(blockCount: (context - 1) / KVCache.blockSize + 1)
    var result = Perplexity()
    for window in PerplexityWindow.all(count: tokens.count, context: context, stride: stride) {
      try add(window, of: tokens, cache: cache, to: &result)
      progress(Double(window.targets.upperBound) / Double(tokens.count))
    }
    return result
  }

  private func add(
    _ window: PerplexityWindow, of tokens: [Int32], cache: KVCache, to result: inout Perplexity
  ) throws(ModelError) {
    let start = window.tokens.lowerBound
    // The token before a target is the one whose logits predict it.
    let firstRow = window.targets.lowerBound - 1
    try compute(tokens, start..<firstRow, window: window.tokens, cache: cache, logits: nil)
    let vocabulary = configuration.vocabularySize
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(
      capacity: Self.perplexityRows * vocabulary)
    defer { buffer.deallocate() }
    for first in Swift.stride(
      from: firstRow, to: window.targets.upperBound - 1, by: Self.perplexityRows)
    {
      let rows = first..<min(first + Self.perplexityRows, window.targets.upperBound - 1)
      try compute(tokens, rows, window: window.tokens, cache: cache, logits: buffer)
      for row in rows {
        guard let logits = buffer.baseAddress else { return }
        let values = logits + (row - first) * vocabulary
        let total = kernels.log_sum_exp(values, vocabulary)
        result.negativeLogLikelihood += Double(total) - Double(values[Int(tokens[row + 1])])
        result.tokenCount += 1
      }
    }
  }

  /// Computes tokens of one window, with the logits of all of them or of none.
  private func compute(
    _ tokens: [Int32], _ range: Range<Int>, window: Range<Int>, cache: KVCache,
    logits: UnsafeMutableBufferPointer<Float>?
  ) throws(ModelError) {
    guard !range.isEmpty else { return }
    let span = Batch.Span(
      tokens: Array(tokens[range]), start: range.lowerBound - window.lowerBound,
      blocks: Array(0..<Int32(cache.blockCount)), logitCount: logits == nil ? 0 : range.count,
      sequenceLength: window.count)
    try forward(
      Batch(spans: [span]), cache: cache,
      logits: logits ?? UnsafeMutableBufferPointer(start: nil, count: 0))
  }
}

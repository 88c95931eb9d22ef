// What the embedder needs of a model, so that tests can stand in for it. Knows ids only: text,
// special tokens and the cutting of long texts are the embedder's business.

package import Transformer

/// Turns token ids into one vector per sequence.
package protocol SequenceEncoder: Sendable {
  var name: String { get }
  /// Values in a vector.
  var dimension: Int { get }
  /// Tokens of a sequence at most, special ones included.
  var maximumTokens: Int { get }
  var vocabularySize: Int { get }
  var weightHash: String { get }

  /// One vector per sequence of ids, which come with special tokens and within `maximumTokens`. The
  /// first `promptTokenCount` of each are a prompt's.
  func vectors(for batch: [[Int32]], promptTokenCount: Int) throws -> [[Float]]
}

extension TextEncoder: SequenceEncoder {
  package func vectors(for batch: [[Int32]], promptTokenCount: Int) throws -> [[Float]] {
    try embed(batch, promptTokenCount: promptTokenCount)
  }
}

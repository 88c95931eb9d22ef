// A ragged batch for one forward pass: spans of tokens of several sequences, each with the blocks
// of the KV cache that hold its past and take its new tokens.

/// The tokens of one forward pass.
package struct Batch: Sendable {
  /// Consecutive tokens of one sequence.
  package struct Span: Sendable {
    package var tokens: [Int32]
    /// The position of `tokens[0]`, which is also how many tokens the KV cache already holds.
    package var start: Int
    /// The block table: covers `start + tokens.count` positions.
    package var blocks: [Int32]
    /// Logits are wanted for this many of the last tokens.
    package var logitCount: Int

    package init(tokens: [Int32], start: Int, blocks: [Int32], logitCount: Int) {
      self.tokens = tokens
      self.start = start
      self.blocks = blocks
      self.logitCount = logitCount
    }
  }

  package var spans: [Span]

  package init(spans: [Span]) {
    self.spans = spans
  }
}

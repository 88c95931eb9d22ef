// What one forward pass computes: any number of sequences, each with any number of new tokens, side
// by side. There is no prefill and no decode: a prompt, a chunk of one and a single next token are
// spans of different lengths. Relies on the caller having reserved the KV blocks.

package struct Batch: Sendable {
  package struct Span: Sendable {
    package var tokens: [Int32]
    /// Position of the first token: how many tokens of the sequence are in the KV cache already.
    package var start: Int
    /// The sequence's KV blocks in order of position, for `start + tokens.count` positions at least.
    package var blocks: [Int32]
    /// Logits are wanted for this many of the last tokens.
    package var logitCount: Int
    /// What the sequence is computed with besides the model. Its virtual tokens are the first of the
    /// sequence, under the id `Adapter.virtualToken`.
    package var adapter: Adapter?

    package init(
      tokens: [Int32], start: Int, blocks: [Int32], logitCount: Int = 1, adapter: Adapter? = nil
    ) {
      self.tokens = tokens
      self.start = start
      self.blocks = blocks
      self.logitCount = logitCount
      self.adapter = adapter
    }
  }

  package var spans: [Span]

  package init(spans: [Span] = []) { self.spans = spans }

  /// T
  package var tokenCount: Int { spans.reduce(0) { $0 + $1.tokens.count } }
  /// Rows of logits that a forward pass writes.
  package var logitCount: Int { spans.reduce(0) { $0 + $1.logitCount } }
}

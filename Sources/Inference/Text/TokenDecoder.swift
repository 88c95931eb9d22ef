// What text assembly needs of a detokenizer: pieces whose concatenation is the decoded whole, and
// never part of a character. Tests stand in for it.

package import Tokenizers

/// Turns tokens into text one by one.
package protocol TokenDecoder: Sendable {
  /// The text that is certain with this token; empty while a character is incomplete.
  mutating func append(_ id: Int32) -> String
  /// What is left at the end.
  mutating func finish() -> String
}

extension StreamingDecoder: TokenDecoder {}

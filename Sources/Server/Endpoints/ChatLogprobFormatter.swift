// Token log probabilities in chat's shape: text, bytes (a token may be part of a character), and
// alternatives; `top_logprobs` is an empty list where none were asked for.

import Inference
import Tokenizers

struct ChatLogprobFormatter: Sendable {
  let tokenizer: Tokenizer
  let isOn: Bool

  func format(_ tokens: [AlignedToken]) -> [ChatLogprobs.Token] {
    guard isOn else { return [] }
    return tokens.map(\.token).map { token in
      let bytes = tokenizer.bytes(of: token.id)
      return ChatLogprobs.Token(
        token: String(decoding: bytes, as: UTF8.self), logprob: Self.finite(token.logprob),
        bytes: bytes,
        topLogprobs: token.top.map { alternative in
          let bytes = tokenizer.bytes(of: alternative.id)
          return .init(
            token: String(decoding: bytes, as: UTF8.self),
            logprob: Self.finite(alternative.logprob), bytes: bytes)
        })
    }
  }

  /// OpenAI writes -9999 for what is all but impossible; JSON has no infinity.
  static func finite(_ logprob: Float?) -> Double { max(-9999, Double(logprob ?? -9999)) }
}

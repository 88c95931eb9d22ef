// What a caller asks of the engine: a tokenized prompt and when to stop. Text, stop strings and
// templates are the caller's business (see `GenerationTextStream`).

package import Transformer

/// One sequence to generate.
package struct GenerationRequest: Sendable {
  package var prompt: [Int32]
  package var sampling: SamplingParameters
  /// The most tokens to generate; also ends at the context's end. 0 only scores the prompt.
  package var maximumTokens: Int
  /// Tokens that end the generation besides the model's own.
  package var stopTokens: Set<Int32>
  /// Goes on past the model's end-of-sequence tokens.
  package var ignoreEndOfSequence: Bool
  /// Log probabilities with this many alternatives, 0 to 20; `nil` for none.
  package var logprobs: Int?
  /// Delivers log probabilities of the prompt's tokens too; needs `logprobs`.
  package var echoPromptLogprobs: Bool
  /// The first prompt token whose log probability is delivered. What comes before can be taken from
  /// the cache.
  package var echoStart = 0
  /// Further prompts that each token is drawn for as well.
  package var mixture: PromptMixture?
  /// Which of a request's `n` choices this is: choices draw from different random streams.
  package var choice: Int
  /// What the sequence is computed with besides the model. Its virtual tokens take room in the
  /// context, but are no part of the prompt.
  package var adapter: Adapter?

  /// The most alternatives per token.
  package static let maximumLogprobs = 20

  package init(
    prompt: [Int32], sampling: SamplingParameters = SamplingParameters(), maximumTokens: Int,
    stopTokens: Set<Int32> = [], ignoreEndOfSequence: Bool = false, logprobs: Int? = nil,
    echoPromptLogprobs: Bool = false, choice: Int = 0, adapter: Adapter? = nil
  ) {
    self.prompt = prompt
    self.sampling = sampling
    self.maximumTokens = maximumTokens
    self.stopTokens = stopTokens
    self.ignoreEndOfSequence = ignoreEndOfSequence
    self.logprobs = logprobs
    self.echoPromptLogprobs = echoPromptLogprobs
    self.choice = choice
    self.adapter = adapter
  }

  var virtualTokenCount: Int { adapter?.virtualTokenCount ?? 0 }

  /// Checks everything that can be said before the request is queued.
  func validate(vocabularySize: Int, contextLength: Int) throws(InferenceError) {
    let room = max(0, contextLength - virtualTokenCount)
    for prompt in prompts {
      guard !prompt.isEmpty else { throw .emptyPrompt }
      for (index, token) in prompt.enumerated() where token < 0 || Int(token) >= vocabularySize {
        throw .tokenOutOfRange(token: token, index: index, vocabularySize: vocabularySize)
      }
      guard prompt.count <= room else {
        throw .contextLengthExceeded(promptTokens: prompt.count, contextLength: room)
      }
    }
    precondition(
      mixture.map { $0.logWeights.count == prompts.count } ?? true, "a weight per prompt")
    guard maximumTokens >= 0 else {
      throw .invalidParameter(
        name: "max_tokens", value: "\(maximumTokens)", expected: "0 or more")
    }
    if let logprobs, !(0...Self.maximumLogprobs).contains(logprobs) {
      throw .invalidParameter(
        name: "top_logprobs", value: "\(logprobs)", expected: "0 to \(Self.maximumLogprobs)")
    }
    guard choice >= 0, choice <= Int(Int32.max) else {
      throw .invalidParameter(name: "choice", value: "\(choice)", expected: "0 or more")
    }
    try sampling.validate(vocabularySize: vocabularySize)
  }
}

// How the next token is chosen, in the vocabulary of Hugging Face and vLLM. A plain value: ranges
// are checked once, when a request is submitted, by `validate`.

/// The sampling parameters of one request.
package struct SamplingParameters: Sendable, Equatable {
  /// Divides the logits; 0 (anything below `greedyThreshold`) takes the largest logit instead.
  package var temperature: Float
  /// The nucleus: the fewest most likely tokens whose probabilities reach this sum. 1 is off.
  package var topP: Float
  /// The number of most likely tokens kept. 0 is off.
  package var topK: Int
  /// Tokens less likely than this share of the likeliest are dropped. 0 is off.
  package var minP: Float
  /// Divides positive and multiplies negative logits of tokens in prompt or output. 1 is off.
  package var repetitionPenalty: Float
  /// Subtracted from the logits of tokens in the output. 0 is off.
  package var presencePenalty: Float
  /// Subtracted from the logits of tokens in the output, once per occurrence. 0 is off.
  package var frequencyPenalty: Float
  /// Added to the logits of these tokens, before anything else.
  package var logitBias: [Int32: Float]
  /// The same seed, prompt and parameters give the same tokens. Without one, a random seed.
  package var seed: UInt64?

  /// Temperatures below this would overflow float32 logits; they mean argmax.
  package static let greedyThreshold: Float = 1e-5

  package init(
    temperature: Float = 1, topP: Float = 1, topK: Int = 0, minP: Float = 0,
    repetitionPenalty: Float = 1, presencePenalty: Float = 0, frequencyPenalty: Float = 0,
    logitBias: [Int32: Float] = [:], seed: UInt64? = nil
  ) {
    self.temperature = temperature
    self.topP = topP
    self.topK = topK
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.presencePenalty = presencePenalty
    self.frequencyPenalty = frequencyPenalty
    self.logitBias = logitBias
    self.seed = seed
  }

  package var isGreedy: Bool { temperature < Self.greedyThreshold }

  /// Checks every range; names are those of the API's fields.
  package func validate(vocabularySize: Int) throws(InferenceError) {
    try check("temperature", temperature, "0 or more") { $0 >= 0 }
    try check("top_p", topP, "a number from 0 to 1") { (0...1).contains($0) }
    try check("min_p", minP, "a number from 0 to 1") { (0...1).contains($0) }
    try check("repetition_penalty", repetitionPenalty, "a number above 0") { $0 > 0 }
    try check("presence_penalty", presencePenalty, "a finite number") { _ in true }
    try check("frequency_penalty", frequencyPenalty, "a finite number") { _ in true }
    guard topK >= 0 else {
      throw .invalidParameter(name: "top_k", value: "\(topK)", expected: "0 (off) or more")
    }
    for (token, bias) in logitBias {
      guard token >= 0, Int(token) < vocabularySize else {
        throw .invalidParameter(
          name: "logit_bias", value: "for token \(token)",
          expected: "token ids from 0 to \(vocabularySize - 1)")
      }
      try check("logit_bias", bias, "finite numbers") { _ in true }
    }
  }

  private func check(
    _ name: String, _ value: Float, _ expected: String, _ isValid: (Float) -> Bool
  ) throws(InferenceError) {
    guard value.isFinite, isValid(value) else {
      throw .invalidParameter(name: name, value: "\(value)", expected: expected)
    }
  }
}

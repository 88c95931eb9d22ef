// Every way in which a request to the engine or the embedder can fail, with messages that say what
// was wrong and what to do. The server alone maps these to HTTP statuses. Cancellation is not an
// error of ours: a cancelled consumer simply sees its stream end.

/// An error of the `Inference` target.
package enum InferenceError: Error, Sendable, Equatable {
  /// The prompt has no tokens at all (some tokenizers add none to an empty text).
  case emptyPrompt
  /// The prompt alone is longer than a sequence may be.
  case contextLengthExceeded(promptTokens: Int, contextLength: Int)
  /// Input given as token ids has one that the model does not know.
  case tokenOutOfRange(token: Int32, index: Int, vocabularySize: Int)
  /// Sequences that have to be computed side by side don't have room together.
  case groupTooLarge(sequences: Int, promptTokens: Int, maximumSequences: Int)
  /// A parameter lies outside its range.
  case invalidParameter(name: String, value: String, expected: String)
  /// As many requests wait as the engine is configured to hold.
  case queueFull(limit: Int)
  /// The engine finishes what it has and takes nothing new.
  case draining
  /// The engine was shut down before the request was done.
  case shutDown
  /// The memory set aside for the KV cache does not hold a single block.
  case insufficientKVMemory(byteCount: Int, requiredByteCount: Int)
  /// The model computed NaN or infinity: its weights or the computation are broken.
  case nonFiniteLogits(token: Int, value: String)
  /// Every token was ruled out, by biases of minus infinity or by the model itself.
  case noCandidates
  /// The model could not compute this request, or not even get its memory.
  case modelFailed(String)
  /// The operating system refused a thread.
  case threadUnavailable(String)
}

extension InferenceError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .emptyPrompt:
      "the prompt has no tokens; send at least one character"
    case .contextLengthExceeded(let promptTokens, let contextLength):
      "the prompt has \(promptTokens) tokens, but this model's context holds \(contextLength); "
        + "shorten the prompt"
    case .tokenOutOfRange(let token, let index, let vocabularySize):
      "token \(token) at index \(index) is outside the vocabulary, 0 to \(vocabularySize - 1)"
    case .groupTooLarge(let sequences, let promptTokens, let maximumSequences):
      "\(sequences) prompts with \(promptTokens) tokens together have to be computed side by side; the "
        + "engine takes \(maximumSequences) sequences and has no room for as many tokens; use fewer or "
        + "shorter passages"
    case .invalidParameter(let name, let value, let expected):
      "\(name) is \(value); expected \(expected)"
    case .queueFull(let limit):
      "the queue is full with \(limit) requests waiting; try again later"
    case .draining:
      "the server is shutting down and takes no new requests"
    case .shutDown:
      "the server shut down before the request was finished"
    case .insufficientKVMemory(let byteCount, let requiredByteCount):
      "\(byteCount) bytes for the KV cache hold no block of \(requiredByteCount) bytes; "
        + "allow more memory or load a smaller model"
    case .nonFiniteLogits(let token, let value):
      "the model computed \(value) as the logit of token \(token); its weights may be damaged"
    case .noCandidates:
      "no token is left to choose from; relax logit_bias"
    case .modelFailed(let reason):
      "the model failed: \(reason)"
    case .threadUnavailable(let reason):
      reason
    }
  }
}

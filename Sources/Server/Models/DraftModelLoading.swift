// The smaller model that guesses tokens for the chat model (`--draft-model`). It is quantised as that
// one is. Refuses a model of other tokens: its ids would mean other text.

import Inference
import Quantization
import Tokenizers
import Transformer

/// Why a draft model can't be used.
struct UnsuitableDraftModel: Error, CustomStringConvertible {
  let description: String
}

extension ServerConfiguration {
  /// A draft model is there to be used, unless told otherwise.
  var effectiveSpeculation: Speculation {
    speculation ?? (draftModel == nil ? .lookup : .draft)
  }
}

extension ModelLoader {
  /// - Parameter tokenizer: the chat model's.
  func draftModel(
    tokenizer: Tokenizer, scheme: QuantizationScheme, contextLimit: Int
  ) throws -> CausalLM? {
    guard configuration.effectiveSpeculation == .draft else { return nil }
    guard let name = configuration.draftModel else {
      throw UnsuitableDraftModel(description: "--speculation draft needs a --draft-model")
    }
    let directory = try ModelLocator(folder: configuration.models).directory(of: name)
    let other = try ModelText.tokenizer(path: directory)
    if let id = tokenizer.firstDifference(from: other) {
      func quoted(_ token: String?) -> String { token.map { "'\($0)'" } ?? "nothing" }
      throw UnsuitableDraftModel(
        description: """
          the draft model in \(directory) has another vocabulary: token \(id) is \
          \(quoted(other.token(id))) there and \(quoted(tokenizer.token(id))) here
          """)
    }
    let model = try CausalLM.load(
      directory: directory, scheme: scheme, contextLimit: contextLimit, pool: pool)
    logger.info(
      "draft model loaded",
      metadata: [
        "model": .string(directory), "scheme": .string(scheme.rawValue),
        "parameters": .stringConvertible(model.parameterCount),
        "weight_bytes": .stringConvertible(model.weightByteCount),
      ])
    return model
  }
}

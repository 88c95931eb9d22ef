// From a conversation to the tokens that the model reads: template and tokenizer, with what the
// request wants of them.

import Inference
import JSON
import Tokenizers

struct ChatRenderer: Sendable {
  let model: ChatModel
  var addGenerationPrompt = true
  /// Further variables of the chat template.
  var arguments: JSONObject = [:]
  var parseSpecialTokens = false

  func tokens(_ messages: [JSONValue]) throws(APIError) -> [Int32] {
    model.tokenizer.encode(
      try ChatPrompt.render(
        messages, with: model, addGenerationPrompt: addGenerationPrompt, arguments: arguments,
        parseSpecialTokens: parseSpecialTokens))
  }
}

// Wire types of POST /tokenize and /detokenize, in vLLM's shape.

import JSON

struct TokenizeRequest: Decodable, Sendable {
  var model: String?
  var prompt: String?
  var messages: [JSONValue]?
  var addSpecialTokens: Bool?
  var addGenerationPrompt: Bool?

  enum CodingKeys: String, CodingKey {
    case model, prompt, messages
    case addSpecialTokens = "add_special_tokens"
    case addGenerationPrompt = "add_generation_prompt"
  }
}

struct TokenizeResponse: Encodable, Sendable {
  var tokens: [Int32]
  var count: Int
  var maxModelLength: Int

  enum CodingKeys: String, CodingKey {
    case tokens, count
    case maxModelLength = "max_model_len"
  }
}

struct DetokenizeRequest: Decodable, Sendable {
  var model: String?
  var tokens: [Int]
}

struct DetokenizeResponse: Encodable, Sendable {
  var prompt: String
}

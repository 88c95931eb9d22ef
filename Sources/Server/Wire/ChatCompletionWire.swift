// Wire types of POST /v1/chat/completions
// (https://platform.openai.com/docs/api-reference/chat), plus vLLM's and our own extra fields.

import JSON

struct ChatCompletionRequest: Decodable, Sendable {
  var model: String?
  /// Kept as JSON in their key order: the chat template renders them.
  var messages: [JSONValue]
  var logprobs: Bool?
  var topLogprobs: Int?
  var chatTemplateArguments: JSONObject?
  var addGenerationPrompt: Bool?
  /// Ours: special-token text inside contents is parsed instead of taken literally.
  var parseSpecialTokens: Bool?
  /// Ours: passages from a collection go into the prompt.
  var retrieval: JSONValue?
  var sampling: SamplingFields

  enum CodingKeys: String, CodingKey {
    case model, messages, logprobs
    case topLogprobs = "top_logprobs"
    case chatTemplateArguments = "chat_template_kwargs"
    case addGenerationPrompt = "add_generation_prompt"
    case parseSpecialTokens = "parse_special_tokens"
    case retrieval
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    model = try fields.decodeIfPresent(String.self, forKey: .model)
    messages = try fields.decode([JSONValue].self, forKey: .messages)
    logprobs = try fields.decodeIfPresent(Bool.self, forKey: .logprobs)
    topLogprobs = try fields.decodeIfPresent(Int.self, forKey: .topLogprobs)
    chatTemplateArguments =
      try fields.decodeIfPresent(JSONValue.self, forKey: .chatTemplateArguments)?.object
    addGenerationPrompt = try fields.decodeIfPresent(Bool.self, forKey: .addGenerationPrompt)
    parseSpecialTokens = try fields.decodeIfPresent(Bool.self, forKey: .parseSpecialTokens)
    retrieval = try fields.decodeIfPresent(JSONValue.self, forKey: .retrieval)
    sampling = try SamplingFields(from: decoder)
  }
}

struct ChatCompletion: Encodable, Sendable {
  var id: String
  var object = "chat.completion"
  var created: Int
  var model: String
  var systemFingerprint: String
  var choices: [Choice]
  var usage: Usage
  var retrieval: JSONValue?

  struct Choice: Encodable, Sendable {
    var index: Int
    var message: Message
    @ExplicitNull var logprobs: ChatLogprobs?
    var finishReason: String

    enum CodingKeys: String, CodingKey {
      case index, message, logprobs
      case finishReason = "finish_reason"
    }
  }

  struct Message: Encodable, Sendable {
    var role = "assistant"
    var content: String
    @ExplicitNull var refusal: String? = nil
  }

  enum CodingKeys: String, CodingKey {
    case id, object, created, model
    case systemFingerprint = "system_fingerprint"
    case choices, usage, retrieval
  }
}

struct ChatCompletionChunk: Encodable, Sendable {
  var id: String
  var object = "chat.completion.chunk"
  var created: Int
  var model: String
  var systemFingerprint: String
  var choices: [Choice]
  /// Present (null until the last chunk) only when the client asked for usage.
  var usage: OptionalUsage
  var retrieval: JSONValue?

  struct Choice: Encodable, Sendable {
    var index: Int
    var delta: Delta
    @ExplicitNull var logprobs: ChatLogprobs?
    @ExplicitNull var finishReason: String?

    enum CodingKeys: String, CodingKey {
      case index, delta, logprobs
      case finishReason = "finish_reason"
    }
  }

  struct Delta: Encodable, Sendable {
    var role: String?
    var content: String?
  }

  enum CodingKeys: String, CodingKey {
    case id, object, created, model
    case systemFingerprint = "system_fingerprint"
    case choices, usage, retrieval
  }

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(id, forKey: .id)
    try fields.encode(object, forKey: .object)
    try fields.encode(created, forKey: .created)
    try fields.encode(model, forKey: .model)
    try fields.encode(systemFingerprint, forKey: .systemFingerprint)
    try fields.encode(choices, forKey: .choices)
    try usage.encode(into: &fields, forKey: .usage)
    try fields.encodeIfPresent(retrieval, forKey: .retrieval)
  }
}

/// `{"content":[...]}`, one entry per token.
struct ChatLogprobs: Encodable, Sendable {
  var content: [Token]
  @ExplicitNull var refusal: [Token]? = nil

  struct Token: Encodable, Sendable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]
    var topLogprobs: [Alternative]

    enum CodingKeys: String, CodingKey {
      case token, logprob, bytes
      case topLogprobs = "top_logprobs"
    }
  }

  struct Alternative: Encodable, Sendable {
    var token: String
    var logprob: Double
    var bytes: [UInt8]
  }
}

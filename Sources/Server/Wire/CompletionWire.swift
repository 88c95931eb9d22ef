// Wire types of POST /v1/completions (https://platform.openai.com/docs/api-reference/completions).

import JSON

struct CompletionRequest: Decodable, Sendable {
  var model: String?
  var prompt: Prompt
  var echo: Bool?
  /// Number of alternatives per position, 0 to 20.
  var logprobs: Int?
  var bestOf: Int?
  var parseSpecialTokens: Bool?
  var sampling: SamplingFields

  /// A string, strings, token ids or lists of token ids.
  enum Prompt: Decodable, Sendable {
    case texts([String])
    case tokens([[Int]])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let text = try? container.decode(String.self) {
        self = .texts([text])
      } else if let texts = try? container.decode([String].self) {
        self = .texts(texts)
      } else if let tokens = try? container.decode([Int].self) {
        self = .tokens([tokens])
      } else if let lists = try? container.decode([[Int]].self) {
        self = .tokens(lists)
      } else {
        throw DecodingError.typeMismatch(
          Prompt.self,
          .init(
            codingPath: decoder.codingPath,
            debugDescription: "expected a string, strings, token ids or lists of token ids"))
      }
    }
  }

  enum CodingKeys: String, CodingKey {
    case model, prompt, echo, logprobs
    case bestOf = "best_of"
    case parseSpecialTokens = "parse_special_tokens"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    model = try fields.decodeIfPresent(String.self, forKey: .model)
    prompt = try fields.decode(Prompt.self, forKey: .prompt)
    echo = try fields.decodeIfPresent(Bool.self, forKey: .echo)
    logprobs = try fields.decodeIfPresent(Int.self, forKey: .logprobs)
    bestOf = try fields.decodeIfPresent(Int.self, forKey: .bestOf)
    parseSpecialTokens = try fields.decodeIfPresent(Bool.self, forKey: .parseSpecialTokens)
    sampling = try SamplingFields(from: decoder)
  }
}

/// Whole answer and streamed chunk have the same shape.
struct Completion: Encodable, Sendable {
  var id: String
  var object = "text_completion"
  var created: Int
  var model: String
  var systemFingerprint: String
  var choices: [Choice]
  var usage: OptionalUsage

  struct Choice: Encodable, Sendable {
    var index: Int
    var text: String
    @ExplicitNull var logprobs: CompletionLogprobs?
    @ExplicitNull var finishReason: String?

    enum CodingKeys: String, CodingKey {
      case index, text, logprobs
      case finishReason = "finish_reason"
    }
  }

  enum CodingKeys: String, CodingKey {
    case id, object, created, model
    case systemFingerprint = "system_fingerprint"
    case choices, usage
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
  }
}

/// Parallel arrays, one entry per token; the first prompt token of an echo has null.
struct CompletionLogprobs: Encodable, Sendable {
  var tokens: [String] = []
  var tokenLogprobs: [Double?] = []
  var topLogprobs: [JSONValue] = []
  /// Offset of each token in `text`, in Unicode scalars.
  var textOffset: [Int] = []

  enum CodingKeys: String, CodingKey {
    case tokens
    case tokenLogprobs = "token_logprobs"
    case topLogprobs = "top_logprobs"
    case textOffset = "text_offset"
  }
}

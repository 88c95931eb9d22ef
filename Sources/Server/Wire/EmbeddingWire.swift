// Wire types of POST /v1/embeddings (https://platform.openai.com/docs/api-reference/embeddings).

import JSON

struct EmbeddingRequest: Decodable, Sendable {
  var model: String?
  var input: Input
  var encodingFormat: String?
  var dimensions: Int?
  /// Ours: put in front of every text; or one of the model's own by its name.
  var prompt: String?
  var promptName: String?

  /// A string, strings, token ids or lists of token ids.
  enum Input: Decodable, Sendable {
    case texts([String])
    case tokens([[Int]])

    init(from decoder: any Decoder) throws {
      switch try CompletionRequest.Prompt(from: decoder) {
      case .texts(let texts): self = .texts(texts)
      case .tokens(let tokens): self = .tokens(tokens)
      }
    }
  }

  enum CodingKeys: String, CodingKey {
    case model, input
    case encodingFormat = "encoding_format"
    case dimensions, prompt
    case promptName = "prompt_name"
  }
}

struct EmbeddingResponse: Encodable, Sendable {
  var object = "list"
  var data: [Item]
  var model: String
  var usage: Usage

  struct Item: Encodable, Sendable {
    var object = "embedding"
    var index: Int
    var embedding: Vector
  }

  /// Numbers, or base64 of little-endian float32 as the official client asks for by default.
  enum Vector: Encodable, Sendable {
    case numbers([Float])
    case base64(String)

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .numbers(let values): try container.encode(values)
      case .base64(let text): try container.encode(text)
      }
    }
  }
}

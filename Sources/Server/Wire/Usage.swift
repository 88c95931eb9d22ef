// Token counts as every generation and embedding answer carries them.

struct Usage: Encodable, Sendable, Equatable {
  var promptTokens: Int
  var completionTokens: Int?
  var cachedTokens: Int?
  /// Tokens of the completion that took no step of their own.
  var acceptedPredictionTokens = 0

  enum CodingKeys: String, CodingKey {
    case promptTokens = "prompt_tokens"
    case completionTokens = "completion_tokens"
    case totalTokens = "total_tokens"
    case promptTokensDetails = "prompt_tokens_details"
    case completionTokensDetails = "completion_tokens_details"
  }

  func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(promptTokens, forKey: .promptTokens)
    try fields.encodeIfPresent(completionTokens, forKey: .completionTokens)
    try fields.encode(promptTokens + (completionTokens ?? 0), forKey: .totalTokens)
    if let cachedTokens {
      try fields.encode(["cached_tokens": cachedTokens], forKey: .promptTokensDetails)
    }
    if completionTokens != nil {
      try fields.encode(
        ["reasoning_tokens": 0, "accepted_prediction_tokens": acceptedPredictionTokens],
        forKey: .completionTokensDetails)
    }
  }
}

/// `usage` of a streamed chunk: absent when not asked for, null on all chunks but the last.
enum OptionalUsage: Sendable {
  case absent
  case null
  case value(Usage)

  func encode<Keys>(into fields: inout KeyedEncodingContainer<Keys>, forKey key: Keys) throws {
    switch self {
    case .absent: break
    case .null: try fields.encodeNil(forKey: key)
    case .value(let usage): try fields.encode(usage, forKey: key)
    }
  }
}

/// An optional that is written as `null` instead of being left out.
// swift-format-ignore: UseSynthesizedInitializer
@propertyWrapper
struct ExplicitNull<Value: Encodable & Sendable>: Encodable, Sendable {
  var wrappedValue: Value?

  // Without it, memberwise initialisers of types with such a property take the wrapper itself.
  init(wrappedValue: Value?) { self.wrappedValue = wrappedValue }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let wrappedValue { try container.encode(wrappedValue) } else { try container.encodeNil() }
  }
}

// The request fields that chat and plain completions share. Ranges are OpenAI's where it has the
// field, vLLM's otherwise. Fields that are recognised but would change the meaning of the answer
// and aren't supported are refused in `UnsupportedFields`, everything else unknown is ignored.

import Checkpoints
import Inference
import JSON
import Transformer

struct SamplingFields: Decodable, Sendable {
  var temperature: Double?
  var topP: Double?
  var topK: Int?
  var minP: Double?
  var repetitionPenalty: Double?
  var presencePenalty: Double?
  var frequencyPenalty: Double?
  var logitBias: [String: Double]?
  var seed: Int?
  var stop: StopStrings?
  var stopTokenIDs: [Int]?
  var ignoreEndOfSequence: Bool?
  var n: Int?
  var stream: Bool?
  var streamOptions: StreamOptions?
  var maxTokens: Int?

  struct StreamOptions: Decodable, Sendable {
    var includeUsage: Bool?
    enum CodingKeys: String, CodingKey { case includeUsage = "include_usage" }
  }

  enum CodingKeys: String, CodingKey {
    case temperature
    case topP = "top_p"
    case topK = "top_k"
    case minP = "min_p"
    case repetitionPenalty = "repetition_penalty"
    case repeatPenalty = "repeat_penalty"
    case presencePenalty = "presence_penalty"
    case frequencyPenalty = "frequency_penalty"
    case logitBias = "logit_bias"
    case seed, stop
    case stopTokenIDs = "stop_token_ids"
    case ignoreEndOfSequence = "ignore_eos"
    case n, stream
    case streamOptions = "stream_options"
    case maxTokens = "max_tokens"
    case maxCompletionTokens = "max_completion_tokens"
  }

  init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    temperature = try fields.decodeIfPresent(Double.self, forKey: .temperature)
    topP = try fields.decodeIfPresent(Double.self, forKey: .topP)
    topK = try fields.decodeIfPresent(Int.self, forKey: .topK)
    minP = try fields.decodeIfPresent(Double.self, forKey: .minP)
    repetitionPenalty =
      try fields.decodeIfPresent(Double.self, forKey: .repetitionPenalty)
      ?? fields.decodeIfPresent(Double.self, forKey: .repeatPenalty)
    presencePenalty = try fields.decodeIfPresent(Double.self, forKey: .presencePenalty)
    frequencyPenalty = try fields.decodeIfPresent(Double.self, forKey: .frequencyPenalty)
    logitBias = try fields.decodeIfPresent([String: Double].self, forKey: .logitBias)
    seed = try fields.decodeIfPresent(Int.self, forKey: .seed)
    stop = try fields.decodeIfPresent(StopStrings.self, forKey: .stop)
    stopTokenIDs = try fields.decodeIfPresent([Int].self, forKey: .stopTokenIDs)
    ignoreEndOfSequence = try fields.decodeIfPresent(Bool.self, forKey: .ignoreEndOfSequence)
    n = try fields.decodeIfPresent(Int.self, forKey: .n)
    stream = try fields.decodeIfPresent(Bool.self, forKey: .stream)
    streamOptions = try fields.decodeIfPresent(StreamOptions.self, forKey: .streamOptions)
    maxTokens =
      try fields.decodeIfPresent(Int.self, forKey: .maxCompletionTokens)
      ?? fields.decodeIfPresent(Int.self, forKey: .maxTokens)
  }
}

/// `stop`: one string or up to four.
struct StopStrings: Decodable, Sendable {
  let strings: [String]

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let one = try? container.decode(String.self) {
      strings = [one]
    } else {
      strings = try container.decode([String].self)
    }
  }
}

extension SamplingFields {
  /// Merged with the model's generation_config.json: request > generation_config.json > OpenAI's
  /// defaults. The engine checks the ranges when the request is submitted.
  func parameters(defaults: GenerationDefaults) throws(APIError) -> SamplingParameters {
    SamplingParameters(
      temperature: temperature.map(Float.init) ?? defaults.temperature ?? 1,
      topP: topP.map(Float.init) ?? defaults.topP ?? 1,
      // vLLM and transformers spell "off" as 0 or -1.
      topK: topK.map { $0 == -1 ? 0 : $0 } ?? defaults.topK ?? 0,
      minP: minP.map(Float.init) ?? defaults.minP ?? 0,
      repetitionPenalty: repetitionPenalty.map(Float.init) ?? defaults.repetitionPenalty ?? 1,
      presencePenalty: presencePenalty.map(Float.init) ?? 0,
      frequencyPenalty: frequencyPenalty.map(Float.init) ?? 0,
      logitBias: try tokenBiases(),
      seed: seed.map { UInt64(bitPattern: Int64($0)) })
  }

  /// Stop strings, at most four, none of them empty.
  func checkedStop() throws(APIError) -> [String] {
    let strings = stop?.strings ?? []
    guard strings.count <= 4 else {
      throw .invalid("stop takes at most 4 strings, found \(strings.count).", param: "stop")
    }
    guard strings.allSatisfy({ !$0.isEmpty }) else {
      throw .invalid("stop holds an empty string, which would match everywhere.", param: "stop")
    }
    return strings
  }

  func checkedStopTokens(vocabularySize: Int) throws(APIError) -> Set<Int32> {
    var tokens: Set<Int32> = []
    for id in stopTokenIDs ?? [] {
      guard (0..<vocabularySize).contains(id) else {
        throw .invalid(
          "stop_token_ids holds \(id); the model's ids are 0 to \(vocabularySize - 1).",
          param: "stop_token_ids")
      }
      tokens.insert(Int32(id))
    }
    return tokens
  }

  /// Number of choices, 1 to 16.
  func checkedChoices() throws(APIError) -> Int {
    try Self.check("n", n, 1...16) ?? 1
  }

  func checkedMaxTokens(atLeast least: Int = 1) throws(APIError) -> Int? {
    try Self.check("max_tokens", maxTokens, least...Int(Int32.max))
  }

  private func tokenBiases() throws(APIError) -> [Int32: Float] {
    var result: [Int32: Float] = [:]
    for (key, bias) in logitBias ?? [:] {
      guard let id = Int32(key) else {
        throw .invalid(
          "logit_bias has the key '\(key)'; its keys are token ids.", param: "logit_bias")
      }
      result[id] = Float(bias)
    }
    return result
  }

  static func check<Value: Comparable>(
    _ name: String, _ value: Value?, _ range: ClosedRange<Value>
  ) throws(APIError) -> Value? {
    guard let value else { return nil }
    guard range.contains(value) else {
      throw .invalid(
        "\(name) is \(value); it must lie between \(range.lowerBound) and \(range.upperBound).",
        param: name)
    }
    return value
  }
}

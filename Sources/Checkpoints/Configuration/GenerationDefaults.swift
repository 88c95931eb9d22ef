// What a model's generation_config.json recommends: sampling parameters and a length of answers that a
// request may override, and the tokens that end a sequence. `do_sample` is not read: temperature says it
// all.
// A model without the file recommends nothing; refuses values that no sampler could use.

package struct GenerationDefaults: Sendable, Hashable {
  package var temperature: Float?
  package var topP: Float?
  package var topK: Int?
  package var minP: Float?
  package var repetitionPenalty: Float?
  /// Most tokens of an answer.
  package var maximumTokens: Int?
  /// They replace config.json's.
  package var eosTokenIDs: [Int32]?

  package init() {}

  package static let fileName = "generation_config.json"

  static func load(directory: String) throws(ModelError) -> GenerationDefaults {
    let path = directory + "/" + fileName
    guard fileExists(path) else { return GenerationDefaults() }
    return try GenerationDefaults(ConfigurationFile(path: path, remedy: ""))
  }

  init(_ file: ConfigurationFile) throws(ModelError) {
    temperature = try file.float("temperature", in: 0...1000)
    topP = try file.float("top_p", in: 0...1)
    topK = try file.integer("top_k", in: 0...Int(Int32.max))
    minP = try file.float("min_p", in: 0...1)
    repetitionPenalty = try file.float("repetition_penalty", in: 1e-3...1000)
    maximumTokens = try file.integer("max_new_tokens", in: 1...Int(Int32.max))
    eosTokenIDs = try file.tokenIDs("eos_token_id")
  }
}

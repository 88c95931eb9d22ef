// What tokenizer_config.json, added_tokens.json and special_tokens_map.json say about a tokenizer that
// has no tokenizer.json: its class, its switches, its added tokens.

import JSON

struct TokenizerSettings {
  struct Token {
    var content: String
    var id: Int
    var isSpecial: Bool
    /// Whether it is looked for in normalised text.
    var isNormalized = false
  }

  private let directory: String
  private let configuration: ConfigurationNode?
  /// `bos_token` and so on.
  let names: [String: String]

  init(directory: String) throws(TokenizerError) {
    self.directory = directory
    configuration = try readConfiguration("\(directory)/tokenizer_config.json")
    names = try SpecialTokenNames.read(directory: directory)
  }

  var tokenizerClass: ConfigurationNode? {
    get throws(TokenizerError) { try configuration?.optional("tokenizer_class") }
  }

  /// A switch of tokenizer_config.json, nil where it isn't there.
  func bool(_ key: String) throws(TokenizerError) -> Bool? {
    try configuration?.optional(key)?.bool()
  }

  /// The tokens in the form of tokenizer.json's `added_tokens`: those of the vocabulary's file, and what
  /// the settings say about them and add to them.
  func addedTokens(besides own: [Token]) throws(TokenizerError) -> JSONValue {
    var tokens: [Int: JSONObject] = [:]
    for token in own { tokens[token.id] = object(token) }
    let special = Set(names.values)
    for (content, node) in try readConfiguration("\(directory)/added_tokens.json")?.members() ?? []
    {
      let id = Int(try node.tokenID())
      tokens[id] = object(
        Token(
          content: content, id: id, isSpecial: special.contains(content),
          isNormalized: !special.contains(content)))
    }
    let decoder = try configuration?.optional("added_tokens_decoder")?.members() ?? []
    for (key, node) in decoder {
      guard let id = Int(key), (0..<Vocabulary.maximumID).contains(id) else {
        throw node.malformed("\"\(key)\" is not a token id")
      }
      guard var members = node.node.value.object else { throw node.malformed("not an object") }
      members["id"] = .integer(Int64(id))
      if let token = own.first(where: { $0.id == id }) {
        members["normalized"] = .bool(token.isNormalized)
      }
      tokens[id] = members
    }
    return .array(tokens.sorted { $0.key < $1.key }.map { .object($0.value) })
  }

  private func object(_ token: Token) -> JSONObject {
    [
      "id": .integer(Int64(token.id)), "content": .string(token.content), "single_word": false,
      "lstrip": false, "rstrip": false, "normalized": .bool(token.isNormalized),
      "special": .bool(token.isSpecial),
    ]
  }
}

// The tokenizer and chat template of a GGUF file, as the tokenizer.json and tokenizer_config.json
// that the same model has on the hub. Relies on Tokenizers to check and read those. Refuses models
// and pre-tokenizers that it doesn't know, by key.

package import Checkpoints
package import JSON
package import Tokenizers
import Transformer

package struct GGUFTokenizer: Sendable {
  package let tokenizerFile: [UInt8]
  /// Names of special tokens and the template.
  package let configurationFile: JSONValue

  private let path: String
  private let specialTokens: [String: String]
  private let addedTokens: [ChatTemplate.Token]
  private let templateSource: String?

  package init(_ gguf: GGUFFile) throws(ModelError) {
    let vocabulary = try GGUFVocabulary(gguf.metadata)
    path = gguf.path
    tokenizerFile = try vocabulary.definition()
    specialTokens = vocabulary.specialTokens
    addedTokens = vocabulary.addedTokens.map {
      ChatTemplate.Token(content: vocabulary.tokens[$0.id], isSpecial: $0.isSpecial)
    }
    templateSource = try gguf.metadata.string("tokenizer.chat_template")
    var configuration: JSONObject = [:]
    for (name, token) in specialTokens.sorted(by: { $0.key < $1.key }) {
      configuration[name] = .string(token)
    }
    configuration["chat_template"] = templateSource.map(JSONValue.string)
    configurationFile = .object(configuration)
  }

  package func tokenizer() throws(TokenizerError) -> Tokenizer {
    try Tokenizer(json: tokenizerFile, specialTokens: specialTokens, file: path)
  }

  /// Nil for a file without one.
  package func template() throws(TokenizerError) -> ChatTemplate? {
    guard let templateSource else { return nil }
    return try ChatTemplate(
      source: templateSource, specialTokens: specialTokens, addedTokens: addedTokens)
  }
}

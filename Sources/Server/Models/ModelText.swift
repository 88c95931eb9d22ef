// The tokenizer and chat template of a model, from its directory or from its GGUF file, beside which
// a chat_template.jinja counts more than the template within.

import Checkpoints
import FoundationEssentials
import Inference
package import Tokenizers
import Transformer

package struct ModelText: Sendable {
  let tokenizer: Tokenizer
  /// Nil where the model ships none.
  let template: ChatTemplate?

  /// The tokenizer alone, of a directory or a GGUF file. Throws ModelError or TokenizerError.
  package static func tokenizer(path: String) throws -> Tokenizer {
    guard let file = try GGUFFile.path(at: path) else { return try Tokenizer(directory: path) }
    return try GGUFTokenizer(GGUFFile(path: file)).tokenizer()
  }

  /// `replacement`, a built-in template's name or a file, is taken instead of the model's own
  /// template. Throws ModelError or TokenizerError.
  init(path: String, chatTemplate replacement: String? = nil) throws {
    guard let path = try GGUFFile.path(at: path) else {
      tokenizer = try Tokenizer(directory: path)
      template = try ChatTemplate.load(
        directory: path, tokenizer: tokenizer, replacement: replacement)
      return
    }
    let file = try GGUFFile(path: path)
    let gguf = try GGUFTokenizer(file)
    tokenizer = try gguf.tokenizer()
    let beside = file.directory + "/" + ChatTemplate.fileName
    let isBeside = FileManager.default.fileExists(atPath: beside)
    template =
      if let name = replacement ?? (isBeside ? beside : nil) {
        try ChatTemplate.named(name, tokenizer: tokenizer)
      } else {
        try gguf.template()
      }
  }
}

// The tokenizer and chat template of a model, from its directory or from its GGUF file.

import Checkpoints
import Inference
import Tokenizers
import Transformer

struct ModelText: Sendable {
  let tokenizer: Tokenizer
  /// Nil where the model ships none.
  let template: ChatTemplate?

  /// `replacement`, a built-in template's name or a file, is taken instead of the model's own
  /// template. Throws ModelError or TokenizerError.
  init(path: String, chatTemplate replacement: String? = nil) throws {
    if let file = try GGUFFile.path(at: path) {
      let gguf = try GGUFTokenizer(GGUFFile(path: file))
      tokenizer = try gguf.tokenizer()
      template =
        if let replacement {
          try ChatTemplate.named(replacement, tokenizer: tokenizer)
        } else {
          try gguf.template()
        }
    } else {
      tokenizer = try Tokenizer(directory: path)
      template = try ChatTemplate.load(
        directory: path, tokenizer: tokenizer, replacement: replacement)
    }
  }
}

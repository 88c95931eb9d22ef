// The tokenizer and chat template of a model, from its directory or from its GGUF file.

import Inference
import Tokenizers
import Transformer

struct ModelText: Sendable {
  let tokenizer: Tokenizer
  /// Nil where the model ships none.
  let template: ChatTemplate?

  /// Throws ModelError or TokenizerError.
  init(path: String) throws {
    if let file = try GGUFFile.path(at: path) {
      let gguf = try GGUFTokenizer(GGUFFile(path: file))
      tokenizer = try gguf.tokenizer()
      template = try gguf.template()
    } else {
      tokenizer = try Tokenizer(directory: path)
      template = try ChatTemplate.load(directory: path)
    }
  }
}

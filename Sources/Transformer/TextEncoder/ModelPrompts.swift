// What an embedding model's author puts in front of texts, and how its vectors are to be compared:
// config_sentence_transformers.json. A model without the file has no prompts.

import Checkpoints
import JSON

package struct ModelPrompts: Sendable, Hashable {
  package struct Prompt: Sendable, Hashable {
    package var name: String
    package var text: String

    package init(name: String, text: String) {
      self.name = name
      self.text = text
    }
  }

  /// In the order of the file.
  package private(set) var named: [Prompt]
  /// In front of texts for which nothing else is asked.
  package private(set) var standard: String
  /// `cosine`, `dot`, `euclidean` or `manhattan`; nil where the file doesn't say.
  package private(set) var similarity: String?

  package init(named: [Prompt] = [], standard: String = "") {
    self.named = named
    self.standard = standard
  }

  init(directory: String) throws(ModelError) {
    self.init()
    let path = directory + "/config_sentence_transformers.json"
    guard fileExists(path) else { return }
    let file = try ConfigurationFile(path: path, remedy: "")
    similarity = try file.string("similarity_fn_name")
    if let prompts = try file.object("prompts") {
      for name in prompts.root.keys {
        if let text = try prompts.string(name) { named.append(Prompt(name: name, text: text)) }
      }
    }
    guard let name = try file.string("default_prompt_name") else { return }
    guard let text = self[name] else {
      throw file.refusal("default_prompt_name", "\(name) is none of the prompts")
    }
    standard = text
  }

  /// The prompt of a name. Every model has those of a query and of a document, if only empty ones, as
  /// with sentence-transformers' encode_query and encode_document.
  package subscript(name: String) -> String? {
    if let prompt = named.first(where: { $0.name == name }) { return prompt.text }
    return switch name {
    case "query": ""
    case "document", "passage": passage
    default: nil
    }
  }

  package var query: String { self["query"] ?? "" }

  package var passage: String {
    for name in ["document", "passage", "corpus"] {
      if let prompt = named.first(where: { $0.name == name }) { return prompt.text }
    }
    return ""
  }

  /// Names that a request may use.
  package var names: [String] {
    named.map(\.name)
      + ["query", "document"].filter { name in !named.contains { $0.name == name } }
  }
}

// What a model directory calls its special tokens: members such as `bos_token` of
// tokenizer_config.json, else of special_tokens_map.json; text, or an object with `content`.

import FoundationEssentials
import JSON

enum SpecialTokenNames {
  static let keys = [
    "bos_token", "eos_token", "unk_token", "pad_token", "cls_token", "sep_token", "mask_token",
  ]

  static func read(directory: String) throws(TokenizerError) -> [String: String] {
    var names: [String: String] = [:]
    for name in ["special_tokens_map.json", "tokenizer_config.json"] {
      guard let root = try readConfiguration("\(directory)/\(name)") else { continue }
      for key in keys {
        guard let member = try root.optional(key) else { continue }
        names[key] =
          member.node.kind == .object
          ? try member.required("content").string() : try member.string()
      }
    }
    return names
  }
}

/// A JSON file that may be missing.
func readConfiguration(_ file: String) throws(TokenizerError) -> ConfigurationNode? {
  guard FileManager.default.fileExists(atPath: file) else { return nil }
  do {
    let document = try JSONDocument(parsing: readFile(file))
    return ConfigurationNode(node: document.root, file: file, path: "")
  } catch let error as TokenizerError {
    throw error
  } catch {
    throw .malformed(file: file, key: "", reason: "not valid JSON: \(error)")
  }
}

func readFile(_ file: String) throws(TokenizerError) -> [UInt8] {
  do {
    return [UInt8](try Data(contentsOf: URL(filePath: file)))
  } catch {
    throw .unreadable(file: file, reason: "\(error)")
  }
}

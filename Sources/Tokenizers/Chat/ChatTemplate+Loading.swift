// Where a model directory keeps its chat templates: chat_template.jinja and
// additional_chat_templates/NAME.jinja, else `chat_template` of tokenizer_config.json, which is one
// template or a list of them with names.

import FoundationEssentials

extension ChatTemplate {
  /// Nil for a model without a chat template.
  package static func load(directory: String) throws(TokenizerError) -> ChatTemplate? {
    let configuration = try readConfiguration("\(directory)/tokenizer_config.json")
    var sources = try templateFiles(directory)
    if sources.isEmpty, let node = try configuration?.optional("chat_template") {
      sources = try templates(node)
    }
    if sources.isEmpty { return nil }
    return try ChatTemplate(
      sources: sources, specialTokens: SpecialTokenNames.read(directory: directory),
      addedTokens: addedTokens(directory),
      controlTokens: configuration?.optional("chat_control_tokens").map(orThrow: strings))
  }

  private static func templateFiles(_ directory: String) throws(TokenizerError) -> [String: String]
  {
    var files: [String: String] = [:]
    let main = "\(directory)/chat_template.jinja"
    if FileManager.default.fileExists(atPath: main) { files["default"] = main }
    let folder = "\(directory)/additional_chat_templates"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      guard name.hasSuffix(".jinja") else { continue }
      files[String(name.dropLast(".jinja".count))] = "\(folder)/\(name)"
    }
    var sources: [String: String] = [:]
    for (name, file) in files {
      guard let source = String(validating: try readFile(file), as: UTF8.self) else {
        throw .malformed(file: file, key: "", reason: "not valid UTF-8")
      }
      sources[name] = source
    }
    return sources
  }

  private static func templates(
    _ node: ConfigurationNode
  ) throws(TokenizerError) -> [String: String] {
    if node.node.kind == .string { return ["default": try node.string()] }
    var sources: [String: String] = [:]
    for element in try node.elements() {
      sources[try element.required("name").string()] = try element.required("template").string()
    }
    return sources
  }

  private static func addedTokens(_ directory: String) throws(TokenizerError) -> [Token] {
    let root = try readConfiguration("\(directory)/tokenizer.json")
    var tokens: [Token] = []
    for node in try root?.optional("added_tokens")?.elements() ?? [] {
      tokens.append(
        Token(
          content: try node.required("content").string(),
          isSpecial: try node.required("special").bool()))
    }
    return tokens
  }

  private static func strings(_ node: ConfigurationNode) throws(TokenizerError) -> [String] {
    var strings: [String] = []
    for element in try node.elements() { strings.append(try element.string()) }
    return strings
  }
}

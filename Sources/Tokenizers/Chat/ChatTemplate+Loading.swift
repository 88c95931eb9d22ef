// Where a model directory keeps its chat templates: chat_template.jinja and
// additional_chat_templates/NAME.jinja, else `chat_template` of tokenizer_config.json, which is one
// template or a list of them with names. Another one may be chosen instead: a built-in one, or a file.

import FoundationEssentials

extension ChatTemplate {
  package static let fileName = "chat_template.jinja"

  /// Nil for a model without a chat template. `replacement`, the name of a built-in template or the
  /// path of a file, is taken instead of the model's own.
  package static func load(
    directory: String, tokenizer: Tokenizer, replacement: String? = nil
  ) throws(TokenizerError) -> ChatTemplate? {
    let configuration = try readConfiguration("\(directory)/tokenizer_config.json")
    var sources: [String: String] = [:]
    if let replacement {
      sources["default"] = try source(named: replacement)
    } else {
      sources = try templateFiles(directory)
    }
    if sources.isEmpty, let node = try configuration?.optional("chat_template") {
      sources = try templates(node)
    }
    if sources.isEmpty { return nil }
    return try ChatTemplate(
      sources: sources, specialTokens: tokenizer.specialTokens, addedTokens: tokenizer.addedTokens,
      controlTokens: configuration?.optional("chat_control_tokens").map(orThrow: strings))
  }

  /// A built-in template by name, or one from a file, for the tokens of `tokenizer`.
  package static func named(
    _ name: String, tokenizer: Tokenizer
  ) throws(TokenizerError) -> ChatTemplate {
    try ChatTemplate(
      source: source(named: name), specialTokens: tokenizer.specialTokens,
      addedTokens: tokenizer.addedTokens)
  }

  private static func templateFiles(_ directory: String) throws(TokenizerError) -> [String: String]
  {
    var files: [String: String] = [:]
    let main = "\(directory)/\(fileName)"
    if FileManager.default.fileExists(atPath: main) { files["default"] = main }
    let folder = "\(directory)/additional_chat_templates"
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
      guard name.hasSuffix(".jinja") else { continue }
      files[String(name.dropLast(".jinja".count))] = "\(folder)/\(name)"
    }
    var sources: [String: String] = [:]
    for (name, file) in files { sources[name] = try text(of: file) }
    return sources
  }

  private static func source(named name: String) throws(TokenizerError) -> String {
    if let source = builtIn[name] { return source }
    guard FileManager.default.fileExists(atPath: name) else {
      let names = builtInNames.joined(separator: ", ")
      throw .unreadable(
        file: name, reason: "there is no such file; the built-in chat templates are \(names)")
    }
    return try text(of: name)
  }

  private static func text(of file: String) throws(TokenizerError) -> String {
    guard let source = String(validating: try readFile(file), as: UTF8.self) else {
      throw .malformed(file: file, key: "", reason: "not valid UTF-8")
    }
    return source
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

  private static func strings(_ node: ConfigurationNode) throws(TokenizerError) -> [String] {
    var strings: [String] = []
    for element in try node.elements() { strings.append(try element.string()) }
    return strings
  }
}

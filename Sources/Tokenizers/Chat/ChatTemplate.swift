// The Jinja template that turns a conversation into a model's prompt. A model may have several by name:
// `tool_use` is taken when there are tools, `default` otherwise. Relies on the Jinja target; a template
// that cannot be parsed, fails or calls `raise_exception` is a TokenizerError.template.

package import JSON
import Jinja

package struct ChatTemplate: Sendable {
  private struct Variant: Sendable {
    let template: JinjaTemplate
    let controlTokens: ControlTokens
  }

  /// An added token of the tokenizer, as far as templates care.
  package struct Token: Sendable, Hashable {
    package var content: String
    package var isSpecial: Bool

    package init(content: String, isSpecial: Bool) {
      self.content = content
      self.isSpecial = isSpecial
    }
  }

  private let standard: Variant
  private let toolUse: Variant?
  private let specialTokens: [String: String]

  /// `specialTokens` are the variables `bos_token` and so on; of `addedTokens`, the special ones and
  /// those that the template writes are control tokens, text in messages.
  package init(
    source: String, specialTokens: [String: String], addedTokens: [Token] = []
  ) throws(TokenizerError) {
    try self.init(
      sources: ["default": source], specialTokens: specialTokens, addedTokens: addedTokens,
      controlTokens: nil)
  }

  init(
    sources: [String: String], specialTokens: [String: String], addedTokens: [Token],
    controlTokens: [String]?
  ) throws(TokenizerError) {
    guard let standard = sources["default"] else {
      let names = sources.keys.sorted().joined(separator: ", ")
      throw .template("of the templates \(names) none is named \"default\"")
    }
    let named = specialTokens.values.sorted().map { Token(content: $0, isSpecial: true) }
    let tokens = addedTokens + named
    self.standard = try Self.variant(standard, tokens, controlTokens)
    toolUse = try sources["tool_use"].map { (source) throws(TokenizerError) in
      try Self.variant(source, tokens, controlTokens)
    }
    self.specialTokens = specialTokens
  }

  private static func variant(
    _ source: String, _ tokens: [Token], _ listed: [String]?
  ) throws(TokenizerError) -> Variant {
    do {
      let literals = TemplateLiterals.text(of: source)
      let control = tokens.filter { token in
        if token.isSpecial { return true }
        if let listed { return listed.contains(token.content) }
        let isBlank = token.content.allSatisfy(\.isWhitespace)
        return !isBlank && literals.contains(token.content)
      }
      return Variant(
        template: try JinjaTemplate(source), controlTokens: ControlTokens(control.map(\.content)))
    } catch {
      throw failure(error)
    }
  }

  private static func failure(_ error: JinjaError) -> TokenizerError {
    if case .raised(let message, _) = error { return .template(message) }
    return .template("line \(error.line): \(error.message)")
  }

  /// Renders a conversation. `extra` are further variables of the template; they may replace the
  /// special tokens. With `parseSpecialTokens` control tokens in messages are not told apart.
  package func render(
    messages: [JSONValue], tools: [JSONValue]?, addGenerationPrompt: Bool,
    extra: JSONObject = [:], parseSpecialTokens: Bool = false
  ) throws(TokenizerError) -> RenderedPrompt {
    let variant = tools == nil ? standard : toolUse ?? standard
    var inputs = extra
    inputs["messages"] = .array(try ChatMessages.prepared(messages))
    inputs["tools"] = tools.map(JSONValue.array) ?? .null
    if inputs["documents"] == nil { inputs["documents"] = .null }
    if !parseSpecialTokens { inputs = inputs.mapValues(variant.controlTokens.marked) }
    var context = JSONObject()
    for (name, token) in specialTokens { context[name] = .string(token) }
    context.merge(inputs) { $1 }
    context["add_generation_prompt"] = .bool(addGenerationPrompt)
    let rendered: String
    do {
      rendered = try variant.template.render(context)
    } catch {
      throw Self.failure(error)
    }
    if parseSpecialTokens {
      return RenderedPrompt(segments: [.init(text: rendered, isLiteral: false)])
    }
    return RenderedPrompt(
      segments: variant.controlTokens.unmarked(rendered),
      controlTokens: variant.controlTokens.tokens)
  }
}

extension Tokenizer {
  /// The added tokens, as chat templates want to know them.
  package var addedTokens: [ChatTemplate.Token] {
    definition.addedTokens.tokens.map {
      ChatTemplate.Token(content: $0.content, isSpecial: $0.isSpecial)
    }
  }
}

// Checks the messages of a chat request and renders them with the model's template.

import JSON
import Tokenizers

enum ChatPrompt {
  private static let roles: Set<String> = ["system", "user", "assistant", "tool"]

  static func render(
    _ messages: [JSONValue], with model: ChatModel, addGenerationPrompt: Bool = true,
    arguments: JSONObject = [:], parseSpecialTokens: Bool = false
  ) throws(APIError) -> RenderedPrompt {
    guard let template = model.template else {
      throw .unavailable(
        """
        The model '\(model.id)' ships no chat template (tokenizer_config.json has no \
        chat_template and there is no chat_template.jinja). Start the server with \
        --chat-template, or use /v1/completions.
        """,
        code: "no_chat_template")
    }
    do {
      return try template.render(
        messages: messages, tools: nil, addGenerationPrompt: addGenerationPrompt,
        extra: arguments, parseSpecialTokens: parseSpecialTokens)
    } catch {
      throw .invalid("\(error)", param: "messages", code: "chat_template_error")
    }
  }

  /// Messages with known roles and plain-text contents: parts joined by newlines as vLLM does for
  /// templates that take strings, `developer` under its older name `system`.
  static func normalize(_ messages: [JSONValue]) throws(APIError) -> [JSONValue] {
    guard !messages.isEmpty else {
      throw .invalid("messages is empty; send at least one.", param: "messages")
    }
    var result: [JSONValue] = []
    for (index, message) in messages.enumerated() {
      let path = "messages[\(index)]"
      guard var fields = message.object else {
        throw .invalid("\(path) is not an object.", param: path)
      }
      guard var role = fields["role"]?.string else {
        throw .invalid("\(path).role is missing.", param: "\(path).role")
      }
      if role == "developer" { role = "system" }
      guard roles.contains(role) else {
        throw .invalid(
          "\(path).role is '\(role)'; expected system, developer, user, assistant or tool.",
          param: "\(path).role")
      }
      fields["role"] = .string(role)
      fields["content"] = try text(of: fields["content"], path: "\(path).content")
      result.append(.object(fields))
    }
    return result
  }

  /// The text of the last user message: what retrieval searches for.
  static func question(in messages: [JSONValue]) -> String? {
    messages.last { $0["role"]?.string == "user" }?["content"]?.string
  }

  private static func text(of content: JSONValue?, path: String) throws(APIError) -> JSONValue {
    switch content {
    case nil, .null: return .null
    case .string: return content ?? .null
    case .array(let parts):
      var texts: [String] = []
      for (index, part) in parts.enumerated() {
        let place = "\(path)[\(index)]"
        guard part["type"]?.string == "text" else {
          throw .invalid(
            """
            \(place) has the type '\(part["type"]?.string ?? "none")'; this server takes text parts \
            only.
            """,
            param: place)
        }
        guard let text = part["text"]?.string else {
          throw .invalid("\(place).text must be a string.", param: "\(place).text")
        }
        texts.append(text)
      }
      return .string(texts.joined(separator: "\n"))
    default:
      throw .invalid("\(path) must be a string, a list of text parts or null.", param: path)
    }
  }
}

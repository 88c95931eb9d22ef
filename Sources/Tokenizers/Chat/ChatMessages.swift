// What is done to messages before a template sees them, as transformers does it: members that are
// null are left out, reasoning gets the names that templates look for, and the arguments of tool calls,
// which arrive as JSON text, become objects.

import JSON

enum ChatMessages {
  /// The first one is what templates read (transformers, utils/chat_template_utils.py).
  private static let reasoningKeys = ["reasoning_content", "thinking", "reasoning"]

  static func prepared(_ messages: [JSONValue]) throws(TokenizerError) -> [JSONValue] {
    if messages.isEmpty { throw .template("a conversation needs at least one message") }
    var result: [JSONValue] = []
    for (index, message) in messages.enumerated() {
      guard let members = message.object else {
        throw .template("messages[\(index)] is not an object")
      }
      result.append(.object(prepared(members)))
    }
    return result
  }

  private static func prepared(_ message: JSONObject) -> JSONObject {
    var message = message.filter { !$0.value.isNull }
    if let reasoning = reasoningKeys.lazy.compactMap({ message[$0] }).first {
      message["reasoning_content"] = reasoning
      if message["thinking"] == nil { message["thinking"] = reasoning }
    }
    if let calls = message["tool_calls"]?.array {
      message["tool_calls"] = .array(calls.map(withParsedArguments))
    }
    return message
  }

  private static func withParsedArguments(_ call: JSONValue) -> JSONValue {
    guard var members = call.object, var function = members["function"]?.object,
      let text = function["arguments"]?.string,
      let arguments = try? JSONValue(parsing: text), arguments.object != nil
    else { return call }
    function["arguments"] = arguments
    members["function"] = .object(function)
    return .object(members)
  }
}

// Request fields that OpenAI or vLLM clients send, that would change the meaning of the answer, and
// that this server doesn't implement: refused by name instead of silently ignored.

import JSON

enum UnsupportedFields {
  /// Field name → whether its value asks for anything beyond what the server does anyway.
  private static let rules: [(field: String, asksForMore: @Sendable (JSONValue) -> Bool)] = [
    ("tools", { !($0.array?.isEmpty ?? false) }),
    ("functions", { !($0.array?.isEmpty ?? false) }),
    ("tool_choice", { !["none", "auto"].contains($0.string ?? "") }),
    ("function_call", { !["none", "auto"].contains($0.string ?? "") }),
    ("response_format", { $0["type"]?.string != "text" }),
    ("audio", { _ in true }),
    ("modalities", { $0.array?.contains { $0.string != "text" } ?? true }),
    ("web_search_options", { _ in true }),
    ("min_tokens", { ($0.int ?? 1) != 0 }),
    ("continue_final_message", { $0.bool != false }),
    ("truncate_prompt_tokens", { _ in true }),
    ("documents", { !($0.array?.isEmpty ?? false) }),
    ("suffix", { $0.string != "" }),
    ("guided_json", { _ in true }),
    ("guided_regex", { _ in true }),
    ("guided_choice", { _ in true }),
    ("guided_grammar", { _ in true }),
    ("structured_outputs", { _ in true }),
  ]

  static func check(_ body: JSONValue) throws(APIError) {
    for (field, asksForMore) in rules {
      if let value = body[field], !value.isNull, asksForMore(value) {
        throw .invalid(
          "'\(field)' is not supported by this server. Leave it out.", param: field,
          code: "unsupported_parameter")
      }
    }
  }
}

// How retrieved passages are put before the model ("stuff" in LangChain's terms): numbered from 1,
// in rank order, at the end of the system message. Instruction and heading are worded as in the
// conversations that the bundled model was trained on; they follow the language of the question.

import JSON

struct RetrievalPrompt: Sendable {
  let instruction: String
  let heading: String

  static let english = RetrievalPrompt(
    instruction: """
      You are a helpful assistant. Answer the question using only the numbered passages below, \
      and cite the passage you used like [1]. If the passages do not contain the answer, say that \
      you could not find it.
      """,
    heading: "Passages:")

  static let chinese = RetrievalPrompt(
    instruction: "你是一个有用的助手。请只根据下面编号的资料回答问题，并用 [1] 这样的形式注明出处。如果资料中没有答案，请说明没有找到。",
    heading: "资料：")

  /// Chinese for a question in which Han characters outnumber Latin words.
  static func matching(question: String) -> RetrievalPrompt {
    let han = question.unicodeScalars.count { (0x4E00...0x9FFF).contains($0.value) }
    let words = question.split { !$0.isLetter || !$0.isASCII }.count
    return han > words ? .chinese : .english
  }

  /// The conversation with the passages in its system message.
  func adding(_ passages: [String], to messages: [JSONValue]) -> [JSONValue] {
    let numbered = passages.enumerated().map { "[\($0 + 1)] \($1)" }.joined(separator: "\n")
    let context = "\(instruction)\n\n\(heading)\n\(numbered)"
    guard let first = messages.first, first["role"]?.string == "system",
      var system = first.object
    else {
      return [["role": "system", "content": .string(context)]] + messages
    }
    let own = first["content"]?.string ?? ""
    system["content"] = .string(own.isEmpty ? context : "\(own)\n\n\(context)")
    return [.object(system)] + messages.dropFirst()
  }
}

// Has the chat model write what is searched for: a question that stands alone, further ways to ask it
// (RAG-Fusion), and an answer as it might stand in a document (HyDE, arXiv 2212.10496). Prompts are in
// the language of the question. A model that writes nothing useful costs its calls and no more: the
// question itself is always searched for.

import JSON

struct QueryWriter: Sendable {
  let calls: SideCalls

  /// The question with what the conversation before it says put in, or as it is where there is none.
  func standalone(_ question: String, in messages: [JSONValue]) async throws -> String {
    var turns = Self.turns(before: messages)
    guard !turns.isEmpty else { return question }
    let wording = Wording(QuestionLanguage(of: question))
    var prompt = try calls.renderer.tokens(wording.rewriting(question, turns))
    // The last turns are what a question refers to.
    while prompt.count > calls.renderer.model.contextLength / 2, turns.count > 1 {
      turns.removeFirst()
      prompt = try calls.renderer.tokens(wording.rewriting(question, turns))
    }
    let written = try await calls.ask(.rewrite, prompt: prompt, maximumTokens: 96)
    return Self.lines(of: written).first ?? question
  }

  /// Up to `count` other ways to ask.
  func alternatives(to question: String, count: Int) async throws -> [String] {
    let wording = Wording(QuestionLanguage(of: question))
    let written = try await calls.ask(
      .queries, wording.asking(question, count), maximumTokens: 48 * count)
    var known: Set<String> = [question.lowercased()]
    return Array(
      Self.lines(of: written).filter { known.insert($0.lowercased()).inserted }.prefix(count))
  }

  /// nil where the model has nothing to say.
  func hypotheticalAnswer(to question: String) async throws -> String? {
    let wording = Wording(QuestionLanguage(of: question))
    let written = try await calls.ask(.hyde, wording.answering(question), maximumTokens: 160)
    return written.isEmpty ? nil : written
  }

  /// What was said before the last user message, at most eight messages.
  private static func turns(before messages: [JSONValue]) -> [(role: String, text: String)] {
    guard let last = messages.lastIndex(where: { $0["role"]?.string == "user" }) else { return [] }
    let turns = messages[..<last].compactMap { message -> (role: String, text: String)? in
      guard let role = message["role"]?.string, role == "user" || role == "assistant",
        let text = message["content"]?.string, !text.isEmpty
      else { return nil }
      return (role, text)
    }
    return Array(turns.suffix(8))
  }

  /// Lines that say something, without numbers, bullets and quotation marks around them. A line that
  /// ends in a colon only announces others, as many models do.
  static func lines(of text: String) -> [String] {
    text.split(whereSeparator: \.isNewline).compactMap { line in
      var line = line.trimmed[...]
      let number = line.prefix { $0.isASCII && $0.isNumber }
      if !number.isEmpty, let mark = line.dropFirst(number.count).first, ".):、．".contains(mark) {
        line = line.dropFirst(number.count + 1)
      }
      let marks: Set<Character> = ["-", "*", "•", "\"", "'", "“", "”", "「", "」", " "]
      while let first = line.first, marks.contains(first) { line = line.dropFirst() }
      while let last = line.last, marks.contains(last) { line = line.dropLast() }
      let hasWord = line.contains { $0.isLetter || $0.isNumber }
      let announces = line.last == ":" || line.last == "："
      return hasWord && !announces ? String(line) : nil
    }
  }
}

/// The prompts, in one language.
private struct Wording {
  let language: QuestionLanguage

  init(_ language: QuestionLanguage) { self.language = language }

  func rewriting(_ question: String, _ turns: [(role: String, text: String)]) -> [JSONValue] {
    switch language {
    case .english:
      conversation(
        """
        Rewrite the last question so that it can be understood without the conversation before it: \
        put in the names and facts that it refers to. Reply with the question only.
        """,
        "Conversation:\n"
          + turns.map { "\($0.role == "user" ? "User" : "Assistant"): \($0.text)\n" }.joined()
          + "\nLast question: \(question)")
    case .chinese:
      conversation(
        "请改写最后一个问题，使它不看前面的对话也能理解：补上它所指的名称和事实。只回复改写后的问题。",
        "对话：\n" + turns.map { "\($0.role == "user" ? "用户" : "助手")：\($0.text)\n" }.joined()
          + "\n最后一个问题：\(question)")
    }
  }

  func asking(_ question: String, _ count: Int) -> [JSONValue] {
    switch language {
    case .english:
      conversation(
        """
        Write \(count) other search queries that would find documents which answer the question. \
        One per line, without numbers.
        """,
        "Question: \(question)")
    case .chinese:
      conversation("请写出 \(count) 个不同的检索查询，用来找到能回答这个问题的文档。每行一个，不要编号。", "问题：\(question)")
    }
  }

  func answering(_ question: String) -> [JSONValue] {
    switch language {
    case .english:
      conversation(
        "Write a short passage, as it might stand in a document, that answers the question.",
        "Question: \(question)")
    case .chinese:
      conversation("请写一小段文字回答这个问题，就像它出自某篇文档一样。", "问题：\(question)")
    }
  }

  private func conversation(_ system: String, _ user: String) -> [JSONValue] {
    [
      ["role": "system", "content": .string(system)],
      ["role": "user", "content": .string(user)],
    ]
  }
}

// The map-reduce chain: the model takes notes on each passage by itself, several at a time, and
// answers from the notes. Finds what stands in more passages than one prompt holds. Passages that the
// model finds nothing in are left out; if that is all of them, nothing was found.

import JSON

struct MapReduce: Sendable {
  let calls: SideCalls
  let builder: ContextBuilder

  /// Calls at the same time; the engine batches them.
  private static let width = 8
  /// Tokens of the notes on one passage.
  private static let noteTokens = 192

  func run(_ candidates: [PassageCandidate]) async throws -> ChainOutcome {
    let notes = try await notes(on: candidates)
    var kept: [PassageCandidate] = []
    var dropped: [Int: RetrievedPassages.Drop] = [:]
    for (candidate, note) in zip(candidates, notes) {
      if let note, !Self.saysNothing(note) {
        kept.append(PassageCandidate(result: candidate.result, chunk: candidate.chunk, text: note))
      } else {
        dropped[candidate.result] = note == nil ? .context : .irrelevant
      }
    }
    guard !kept.isEmpty else {
      return ChainOutcome(
        step: .fixed(QuestionLanguage(of: builder.question).notFound), dropped: dropped)
    }
    let passages = try builder.largestFit(kept)
    return ChainOutcome(
      step: .prompt(try builder.prompt(passages)), used: passages, dropped: dropped)
  }

  /// In the order of the candidates; nil for one that is too long for a prompt.
  private func notes(on candidates: [PassageCandidate]) async throws -> [String?] {
    try await withThrowingTaskGroup(of: (Int, String?).self) { group in
      var notes = [String?](repeating: nil, count: candidates.count)
      for (index, candidate) in candidates.enumerated() {
        if index >= Self.width, let (done, note) = try await group.next() { notes[done] = note }
        group.addTask { (index, try await self.note(on: candidate.text)) }
      }
      for try await (done, note) in group { notes[done] = note }
      return notes
    }
  }

  private func note(on passage: String) async throws -> String? {
    let prompt = try calls.renderer.tokens(conversation(passage))
    guard prompt.count <= builder.promptBudget else { return nil }
    return try await calls.ask(.map, prompt: prompt, maximumTokens: Self.noteTokens)
  }

  private func conversation(_ passage: String) -> [JSONValue] {
    switch QuestionLanguage(of: builder.question) {
    case .english:
      [
        [
          "role": "system",
          "content": """
          Write down what the passage says that helps to answer the question, in one to three \
          sentences and in its own words. If it says nothing about it, reply NONE.
          """,
        ],
        [
          "role": "user",
          "content": .string("Passage:\n\(passage)\n\nQuestion: \(builder.question)"),
        ],
      ]
    case .chinese:
      [
        [
          "role": "system",
          "content": "请写出这段资料中有助于回答问题的内容，一到三句话，使用原文的词语。如果没有相关内容，请回复：无。",
        ],
        ["role": "user", "content": .string("资料：\n\(passage)\n\n问题：\(builder.question)")],
      ]
    }
  }

  /// Whether a note is empty or the word that was asked for in that case.
  static func saysNothing(_ note: String) -> Bool {
    let letters = note.lowercased().filter { $0.isLetter || $0.isNumber }
    return letters.isEmpty || ["none", "无", "没有"].contains(letters)
  }
}

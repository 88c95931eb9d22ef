// Puts passages into a conversation: as many as fit the context, best first, numbered in the order in
// which they stand. Tells which were left out. Relies on a longer list of passages making a longer
// prompt.

import JSON
import Retrieval

/// A result that may become a passage.
struct PassageCandidate: Sendable {
  /// Index into the results.
  let result: Int
  let chunk: RetrievedChunk
  /// The chunk's text, or notes on it.
  var text: String
}

struct ContextBuilder: Sendable {
  let renderer: ChatRenderer
  let options: AnswerOptions
  let messages: [JSONValue]
  /// What templates see as `question`.
  let question: String
  /// Tokens that a prompt may have.
  let promptBudget: Int

  /// The prompt with these passages in its system message.
  /// - Parameter answer: the answer so far, in a refine chain.
  func prompt(_ passages: [NumberedPassage], answer: String? = nil) throws(APIError) -> [Int32] {
    let template =
      options.template
      ?? .standard(QuestionLanguage(of: question), refining: answer != nil)
    let context = try template.render(passages, question: question, answer: answer)
    return try renderer.tokens(Self.adding(context, to: messages))
  }

  /// The conversation with `context` behind its own system message.
  static func adding(_ context: String, to messages: [JSONValue]) -> [JSONValue] {
    guard let first = messages.first, first["role"]?.string == "system",
      var system = first.object
    else {
      return [["role": "system", "content": .string(context)]] + messages
    }
    let own = first["content"]?.string ?? ""
    system["content"] = .string(own.isEmpty ? context : "\(own)\n\n\(context)")
    return [.object(system)] + messages.dropFirst()
  }

  /// Numbers from 1 in the order that was asked for.
  func numbered(_ candidates: [PassageCandidate]) -> [NumberedPassage] {
    let ordered =
      switch options.order {
      case .rank: candidates
      case .document:
        candidates.sorted {
          ($0.chunk.documentID, $0.chunk.start, $0.chunk.end)
            < ($1.chunk.documentID, $1.chunk.start, $1.chunk.end)
        }
      }
    return ordered.enumerated().map {
      NumberedPassage(
        number: $0 + 1, result: $1.result, chunk: $1.chunk, text: $1.text)
    }
  }

  /// Whether the passages fit, and leave `reserve` tokens of the budget.
  func fits(_ passages: [NumberedPassage], answer: String? = nil, reserve: Int = 0)
    throws(APIError) -> Bool
  {
    let count = try prompt(passages, answer: answer).count
    guard count + reserve <= promptBudget else { return false }
    guard let limit = options.contextTokens else { return true }
    return count - (try prompt([], answer: answer).count) <= limit
  }

  /// As many of the candidates as fit together, best first. The number is found by halving: rendering
  /// is quick but not free.
  func largestFit(_ candidates: [PassageCandidate]) throws(APIError) -> [NumberedPassage] {
    let all = numbered(candidates)
    if try fits(all) { return all }
    var (fitting, tooMany) = (0, candidates.count)
    while tooMany - fitting > 1 {
      let middle = (fitting + tooMany) / 2
      if try fits(numbered(Array(candidates.prefix(middle)))) {
        fitting = middle
      } else {
        tooMany = middle
      }
    }
    return numbered(Array(candidates.prefix(fitting)))
  }
}

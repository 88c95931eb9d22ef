// The passages of a chat request and what the answer says about them:
// `"retrieval":{"results":[...,"used":true],"citations":[...]}`, with how they were found.

import JSON
import Retrieval

struct RetrievedPassages: Sendable {
  /// Why a passage is not in the prompt.
  enum Drop: String, Sendable {
    /// It didn't fit beside those ranked higher.
    case context
    /// The model found nothing in it that helps.
    case irrelevant
  }

  let chain: AnswerChain
  let found: FoundPassages
  /// As the model saw them.
  let used: [NumberedPassage]
  /// By index of the result.
  let dropped: [Int: Drop]
  let calls: JSONValue

  /// On the first chunk of a stream.
  var resultsJSON: JSONValue { .object(results) }

  /// On the chunk of a stream that ends a choice.
  func citationsJSON(in answer: String, choice: Int) -> JSONValue {
    .object(citations(in: [(choice, answer)]))
  }

  /// In an answer that isn't streamed: one text per choice.
  func json(answers: [String]) -> JSONValue {
    .object(results.merging(citations(in: answers.enumerated().map { ($0, $1) })) { $1 })
  }

  private var results: JSONObject {
    [
      "chain": .string(chain.rawValue), "question": .string(found.question),
      "queries": .array(found.queries.map { .string($0) }),
      "hypothetical": found.hypothetical.map { .string($0) } ?? .null,
      "calls": calls, "results": resultList,
    ]
  }

  private var resultList: JSONValue {
    let numbers = Dictionary(used.map { ($0.result, $0.number) }, uniquingKeysWith: { $1 })
    return .array(
      found.results.enumerated().map { index, result in
        guard var object = result.json.object else { return result.json }
        object["used"] = .bool(numbers[index] != nil)
        if let number = numbers[index] { object["n"] = .integer(Int64(number)) }
        if let reason = dropped[index] { object["dropped"] = .string(reason.rawValue) }
        return .object(object)
      })
  }

  private func citations(in answers: [(choice: Int, text: String)]) -> JSONObject {
    var report = CitationReport()
    for answer in answers { report.add(answer.text, choice: answer.choice, used) }
    return [
      "citations": .array(report.citations), "unknown_citations": .array(report.unknown),
    ]
  }
}

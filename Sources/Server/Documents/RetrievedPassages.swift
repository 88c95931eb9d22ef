// The passages of a chat request and what the answer says about them:
// `"retrieval":{"results":[...,"used":true],"citations":[...]}`.

import JSON
import Retrieval

struct RetrievedPassages: Sendable {
  let results: [RetrievedChunk]
  /// The first so many fitted into the prompt; the rest, ranked lower, were left out.
  let usedCount: Int

  /// On the first chunk of a stream.
  var resultsJSON: JSONValue { ["results": resultList] }

  /// On the chunk of a stream that has the finish reason.
  func citationsJSON(in answer: String) -> JSONValue { ["citations": citationList(in: answer)] }

  /// In an answer that isn't streamed.
  func json(answer: String) -> JSONValue {
    ["results": resultList, "citations": citationList(in: answer)]
  }

  private var resultList: JSONValue {
    .array(
      results.enumerated().map { index, result in
        guard var object = result.json.object else { return result.json }
        object["used"] = .bool(index < usedCount)
        return .object(object)
      })
  }

  /// `result` is an index into the results: passages are numbered in their order.
  private func citationList(in answer: String) -> JSONValue {
    .array(
      Citations.find(in: answer, passageCount: usedCount).map {
        [
          "n": .integer(Int64($0.number)), "result": .integer(Int64($0.number - 1)),
          "start": .integer(Int64($0.start)), "end": .integer(Int64($0.end)),
        ]
      })
  }
}

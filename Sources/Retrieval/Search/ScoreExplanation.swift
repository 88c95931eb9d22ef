// `explain: true`: the parts of a result's score, such that they add up to it: each side's score,
// what it is on the scale of the candidates, its weight, and BM25 word by word.

import JSON
import SearchIndex

struct ScoreExplanation {
  let request: RetrievalRequest
  /// nil in dense mode.
  let words: WordSearch?

  func json(of candidate: Candidate) -> JSONValue {
    var object: JSONObject = ["mode": .string(request.effectiveMode.rawValue)]
    if request.effectiveMode == .hybrid { object["fusion"] = .string(request.fusion.rawValue) }
    object["dense"] = .object(Self.side(candidate.dense))
    var sparse = Self.side(candidate.sparse)
    if let words, candidate.sparse.score != nil {
      let parts = words.parts(ofRow: candidate.row)
      sparse["terms"] = Self.terms(parts.text)
      if !parts.fields.isEmpty {
        sparse["fields"] = .array(parts.fields.map { Self.field($0.0, $0.1) })
      }
    }
    object["sparse"] = .object(sparse)
    if let diversity = candidate.diversity {
      object["mmr"] = [
        "relevance": .double(diversity.relevance), "likeness": .double(diversity.likeness),
      ]
    }
    return .object(object)
  }

  private static func side(_ side: SideScore) -> JSONObject {
    var object: JSONObject = [
      "rank": side.rank.map { .integer(Int64($0)) } ?? .null,
      "score": side.score.map { .double($0) } ?? .null,
    ]
    if let scaled = side.scaled { object["normalized"] = .double(scaled) }
    if let weight = side.weight { object["weight"] = .double(weight) }
    if let contribution = side.contribution { object["contribution"] = .double(contribution) }
    return object
  }

  private static func terms(_ parts: [ClauseScore]) -> JSONValue {
    .array(
      parts.map { part in
        [
          "term": .string(part.clause), "query_frequency": .integer(Int64(part.queryFrequency)),
          "frequency": .integer(Int64(part.frequency)), "found_in": .integer(Int64(part.rowCount)),
          "idf": .double(part.idf), "score": .double(part.score),
        ]
      })
  }

  private static func field(_ boost: FieldBoost, _ parts: [ClauseScore]) -> JSONValue {
    let score = parts.reduce(0) { $0 + $1.score }
    return [
      "field": .string(boost.key), "score": .double(score), "weight": .double(boost.weight),
      "contribution": .double(boost.weight * score), "terms": terms(parts),
    ]
  }
}

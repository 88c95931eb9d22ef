// The `rerank` field of a search: the best candidates of the usual ranking are read again by a model
// that sees query and passage together, and are ranked by its scores.

import JSON

package struct Reranking: Sendable, Hashable {
  /// nil: whichever is loaded.
  package var model: String?
  /// Results of the usual ranking that are read again.
  package var candidates = 50
  /// Results that are left; nil: as many as the search answers.
  package var topN: Int?

  package static let maximumCandidates = 1000

  package init() {}

  /// `true`, or `{"model", "candidates", "top_n"}`; nil for `false`.
  init?(json: JSONValue, field: String) throws(RetrievalError) {
    if let wanted = json.bool {
      guard wanted else { return nil }
      return
    }
    let fields = try JSONFields(json, field: field)
    try fields.refuseOthers(than: ["model", "candidates", "top_n"])
    model = try fields.string("model")
    candidates = try fields.int("candidates", in: 1...Self.maximumCandidates) ?? candidates
    topN = try fields.int("top_n", in: 1...RetrievalRequest.maximumTopK)
  }
}

extension RetrievalRequest {
  /// The search that finds what is to be read again.
  var findingCandidates: RetrievalRequest {
    guard let rerank else { return self }
    var request = self
    request.topK = max(topK, rerank.candidates)
    request.minimumScore = nil
    return request
  }

  /// Results that a reranked search answers.
  package var rerankedCount: Int { min(topK, rerank?.topN ?? topK) }
}

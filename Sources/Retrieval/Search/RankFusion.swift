// One ranking out of the results of several queries (RAG-Fusion, arXiv 2402.03367): reciprocal rank
// fusion of their lists. What several ways of asking find ranks before what one of them finds.
// Relies on each list being ranked and having no chunk twice.

import JSON

package enum RankFusion {
  /// How many results of each query take part at least: a chunk that no query ranks first can still
  /// be the one that most of them find.
  package static let leastDepth = 30

  /// The best `count` chunks of all lists, equals in the order in which they are first met. Their
  /// `score` is the sum of 1 / (60 + rank), which explanations, where there are any, tell by query;
  /// their dense and sparse scores are the greatest that any query gave them.
  package static func fuse(_ lists: [[RetrievedChunk]], count: Int) -> [RetrievedChunk] {
    var fused: [RetrievedChunk] = []
    var places: [String: Int] = [:]
    var explanations: [String: [JSONValue]] = [:]
    for (query, list) in lists.enumerated() {
      for (index, chunk) in list.enumerated() {
        let share = Fusion.reciprocal(index + 1)
        if let explanation = chunk.explanation {
          explanations[chunk.id, default: []].append([
            "query": .integer(Int64(query)), "rank": .integer(Int64(index + 1)),
            "contribution": .double(share), "explain": explanation,
          ])
        }
        if let place = places[chunk.id] {
          fused[place].score += share
          fused[place].scores.dense = greatest(fused[place].scores.dense, chunk.scores.dense)
          fused[place].scores.sparse = greatest(fused[place].scores.sparse, chunk.scores.sparse)
        } else {
          places[chunk.id] = fused.count
          fused.append(chunk)
          fused[fused.count - 1].score = share
        }
      }
    }
    for place in fused.indices {
      fused[place].scores.fused = fused[place].score
      fused[place].explanation = explanations[fused[place].id].map { ["queries": .array($0)] }
    }
    let order = fused.indices.sorted {
      (fused[$1].score, $0) < (fused[$0].score, $1)
    }
    return order.prefix(count).map { fused[$0] }
  }

  private static func greatest(_ left: Double?, _ right: Double?) -> Double? {
    guard let left, let right else { return left ?? right }
    return max(left, right)
  }
}

// The second half of sampling: the tokens that may still be chosen, and filters that remove some.
// Candidates stay in ascending id order throughout; that is the order of the inverse CDF too, so
// what a random number selects never depends on how a filter looked for its survivors.

import Glibc

/// Removes candidates, never all of them.
protocol CandidateFilter: Sendable {
  func filter(_ candidates: inout Candidates)
}

/// Tokens with their logits after penalties and temperature.
struct Candidates {
  /// Ascending.
  private(set) var ids: [Int32] = []
  private(set) var scores: [Float] = []
  /// The largest score; filters keep it, so it stays valid.
  private(set) var maximum: Float = 0

  var count: Int { ids.count }

  /// Starts over with every token of a row `[V]`, scores divided by the temperature.
  mutating func reset(_ logits: some Collection<Float>, temperature: Float) {
    ids.removeAll(keepingCapacity: true)
    scores.removeAll(keepingCapacity: true)
    maximum = -.infinity
    for (id, logit) in zip(Int32(0)..., logits) {
      let score = logit / temperature
      ids.append(id)
      scores.append(score)
      maximum = max(maximum, score)
    }
  }

  /// Keeps the candidates for which `isKept(id, score)` holds.
  mutating func keep(where isKept: (Int32, Float) -> Bool) {
    var kept = 0
    for index in 0..<ids.count where isKept(ids[index], scores[index]) {
      ids[kept] = ids[index]
      scores[kept] = scores[index]
      kept += 1
    }
    ids.removeLast(ids.count - kept)
    scores.removeLast(scores.count - kept)
  }

  /// The unnormalised probability of a score: 1 for the largest.
  func weight(_ score: Float) -> Float {
    expf(score - maximum)
  }

  /// The first candidate in id order at which the cumulative probability exceeds `uniform`.
  func choose(uniform: Double) -> Int32? {
    var total = 0.0
    for score in scores { total += Double(weight(score)) }
    let target = uniform * total
    var cumulative = 0.0
    var last: Int32?
    for (id, score) in zip(ids, scores) {
      let weight = Double(weight(score))
      guard weight > 0 else { continue }
      cumulative += weight
      last = id
      if cumulative > target { return id }
    }
    return last
  }
}

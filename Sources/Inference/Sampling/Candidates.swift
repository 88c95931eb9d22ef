// The second half of sampling: the tokens that may still be chosen, and filters that remove some.
// A filter first lists a superset of what it keeps, so that nobody touches a whole vocabulary where
// a few tokens have nearly all of the probability. Candidates stay in ascending id order throughout;
// that is the order of the inverse CDF too, so what a random number selects never depends on how a
// filter looked for its survivors.

import CKernels
import Compute

/// Removes candidates, never all of them.
protocol CandidateFilter: Sendable {
  /// All tokens of the row that the filter would keep, and few others.
  func shortlist(of row: LogitRow, temperature: Float) -> Candidates
  func filter(_ candidates: inout Candidates)
}

/// A token that may be chosen.
struct Candidate {
  let id: Int32
  /// The logit after penalties and temperature.
  let score: Float
  /// Its unnormalised probability: 1 for the largest score of the row.
  let weight: Float
}

/// The tokens of a row that score no less than some limit.
struct Candidates {
  /// Ascending by id.
  private(set) var tokens: [Candidate]
  /// The largest score of the row; filters keep its token.
  let maximum: Float
  /// The weights of the tokens below the limit, which rank behind all of the listed ones.
  private(set) var unlistedMass = 0.0

  /// Lists exactly the tokens that score at least `wantedScore`, and never those that score minus
  /// infinity.
  init(_ row: LogitRow, temperature: Float, scoringAtLeast wantedScore: Float) {
    let lowestScore = max(wantedScore, -.greatestFiniteMagnitude)
    maximum = row.maximum / temperature
    let limit = Self.logit(below: lowestScore, temperature: temperature)
    var ids = row.select(atLeast: limit)
    var scores = ids.map { row.logits[Int($0)] / temperature }
    if scores.contains(where: { $0 < lowestScore }) {
      ids = zip(ids, scores).filter { $1 >= lowestScore }.map(\.0)
      scores.removeAll { $0 < lowestScore }
    }
    let weights = Self.weights(scores, maximum: maximum)
    tokens = ids.indices.map {
      Candidate(id: ids[$0], score: scores[$0], weight: weights[$0])
    }
  }

  /// A logit that scores less than `score`: every token that scores as much or more has a larger
  /// one, whichever way the divisions round.
  private static func logit(below score: Float, temperature: Float) -> Float {
    let logit = score * temperature
    let margin = max(abs(logit) * 0x1p-21, max(1, temperature) * .leastNormalMagnitude)
    let lower = logit - margin
    return lower / temperature < score ? lower : -.infinity
  }

  private static func weights(_ scores: [Float], maximum: Float) -> [Float] {
    [Float](unsafeUninitializedCapacity: scores.count) { buffer, count in
      scores.withUnsafeBufferPointer { scores in
        guard let base = scores.baseAddress else { return }
        _ = kernels.exponentials(base, scores.count, 1, maximum, buffer.baseAddress)
      }
      count = scores.count
    }
  }

  /// The sum of the listed weights.
  var mass: Double { tokens.reduce(0) { $0 + Double($1.weight) } }

  /// Says what the row's weights add up to, listed or not.
  mutating func noteTotalMass(_ total: Double) {
    unlistedMass = max(0, total - mass)
  }

  /// Keeps the candidates for which `isKept` holds and forgets the unlisted ones.
  mutating func keep(where isKept: (Candidate) -> Bool) {
    tokens.removeAll { !isKept($0) }
    unlistedMass = 0
  }

  /// The first candidate in id order at which the cumulative probability exceeds `uniform`.
  func choose(uniform: Double) -> Int32? {
    let target = uniform * mass
    var cumulative = 0.0
    var last: Int32?
    for token in tokens where token.weight > 0 {
      cumulative += Double(token.weight)
      last = token.id
      if cumulative > target { break }
    }
    return last
  }
}

// Maximal marginal relevance (Carbonell and Goldstein 1998): take, again and again, the candidate
// with the greatest lambda * relevance - (1 - lambda) * likeness to those taken already.

extension MaximalMarginalRelevance {
  /// Up to `count` of the candidates in the order in which they are taken; the first of equals.
  func select(
    _ count: Int, of candidates: [Candidate], relevance: [Double],
    likeness: (Candidate, Candidate) -> Double
  ) -> [Candidate] {
    var taken: [Candidate] = []
    var remaining = Array(candidates.indices)
    var nearest = [Double](repeating: 0, count: candidates.count)
    while taken.count < count, !remaining.isEmpty {
      var best = 0
      func gain(_ position: Int) -> Double {
        let candidate = remaining[position]
        return lambda * relevance[candidate] - (1 - lambda) * nearest[candidate]
      }
      for position in remaining.indices where gain(position) > gain(best) { best = position }
      let chosen = candidates[remaining.remove(at: best)]
      for candidate in remaining {
        let alike = likeness(chosen, candidates[candidate])
        nearest[candidate] = taken.isEmpty ? alike : max(nearest[candidate], alike)
      }
      taken.append(chosen)
    }
    return taken
  }
}

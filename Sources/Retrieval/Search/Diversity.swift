// Which of the ranked candidates are answered. Maximal marginal relevance (Carbonell and Goldstein
// 1998) takes, again and again, the candidate with the greatest
// lambda * relevance - (1 - lambda) * likeness to those taken already; deduplication leaves out what
// is as good as the same, and more than so many chunks of a document.

/// Why a candidate was taken where it was.
struct Diversity: Sendable, Hashable {
  /// To the query, 0...1 or a cosine.
  var relevance: Double
  /// To the most similar one taken before; 0 for the first.
  var likeness: Double
}

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
      let index = remaining.remove(at: best)
      var chosen = candidates[index]
      chosen.diversity = Diversity(relevance: relevance[index], likeness: nearest[index])
      for candidate in remaining {
        let alike = likeness(chosen, candidates[candidate])
        nearest[candidate] = taken.isEmpty ? alike : max(nearest[candidate], alike)
      }
      taken.append(chosen)
    }
    return taken
  }
}

/// Leaves out repetitions from candidates that come in their order.
struct RepetitionFilter {
  let deduplication: Deduplication?
  let maximumPerDocument: Int?

  /// The first `count` candidates that say something new.
  /// - Parameter document: a number that its candidates share.
  func first(
    _ count: Int, of candidates: [Candidate], document: (Candidate) -> Int,
    likeness: (Candidate, Candidate) -> Double
  ) -> [Candidate] {
    guard deduplication != nil || maximumPerDocument != nil else {
      return Array(candidates.prefix(count))
    }
    var taken: [Candidate] = []
    var perDocument: [Int: Int] = [:]
    for candidate in candidates {
      guard taken.count < count else { break }
      let number = document(candidate)
      guard perDocument[number, default: 0] < maximumPerDocument ?? .max,
        !isRepetition(candidate, of: taken, likeness)
      else { continue }
      perDocument[number, default: 0] += 1
      taken.append(candidate)
    }
    return taken
  }

  /// Whether documents of so many rows each could fill more than `count` places.
  func canTake(moreThan count: Int, ofDocumentsWith rowCounts: some Sequence<Int>) -> Bool {
    var places = 0
    for rows in rowCounts {
      places += min(rows, maximumPerDocument ?? .max)
      if places > count { return true }
    }
    return false
  }

  private func isRepetition(
    _ candidate: Candidate, of taken: [Candidate], _ likeness: (Candidate, Candidate) -> Double
  ) -> Bool {
    guard let deduplication else { return false }
    return taken.contains { likeness($0, candidate) >= deduplication.similarity }
  }
}

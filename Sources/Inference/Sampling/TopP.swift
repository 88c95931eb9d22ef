// Nucleus sampling (arXiv 1904.09751) as transformers' TopPLogitsWarper has it: a token stays while
// the tokens ranked before it sum to less than p, and the best always stays. Of equally likely
// tokens at the border the higher ids stay, which is what its stable ascending sort amounts to.
//
// There is no sort of the vocabulary: a histogram over the distance from the best score finds the
// bucket in which the sum crosses p, and only that bucket is sorted. Exact for every p.

/// Keeps the fewest likely tokens whose probabilities reach `probability` together.
struct TopP: CandidateFilter {
  let probability: Float

  /// Buckets per unit of log probability, and their number; the last takes everything beyond
  /// 32 units, which is nothing but the far tail.
  private static let bucketsPerUnit: Float = 16
  private static let bucketCount = 512

  func filter(_ candidates: inout Candidates) {
    var masses = [Double](repeating: 0, count: Self.bucketCount)
    for score in candidates.scores {
      masses[bucket(of: score, in: candidates)] += Double(candidates.weight(score))
    }
    let target = Double(probability) * masses.reduce(0, +)
    var massBefore = 0.0
    var border = 0
    while border < Self.bucketCount - 1, massBefore + masses[border] < target {
      massBefore += masses[border]
      border += 1
    }
    guard let last = lastKept(in: border, massBefore: massBefore, target: target, of: candidates)
    else { return }
    candidates.keep { id, score in
      score > last.score || (score == last.score && id >= last.id)
    }
  }

  private func bucket(of score: Float, in candidates: Candidates) -> Int {
    let distance = (candidates.maximum - score) * Self.bucketsPerUnit
    return distance < Float(Self.bucketCount - 1) ? Int(distance) : Self.bucketCount - 1
  }

  /// The lowest-ranking survivor: in the border bucket, the last whose predecessors stay below the
  /// target, or the first of all when even that one reaches it.
  private func lastKept(
    in border: Int, massBefore: Double, target: Double, of candidates: Candidates
  ) -> LargestScores.Entry? {
    var members: [LargestScores.Entry] = []
    for (id, score) in zip(candidates.ids, candidates.scores)
    where bucket(of: score, in: candidates) == border {
      members.append(LargestScores.Entry(id: id, score: score))
    }
    members.sort { $0.score != $1.score ? $0.score > $1.score : $0.id > $1.id }
    var mass = massBefore
    var last = members.first
    for member in members where mass < target {
      last = member
      mass += Double(candidates.weight(member.score))
    }
    return last
  }
}

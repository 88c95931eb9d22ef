// Nucleus sampling (arXiv 1904.09751) as transformers' TopPLogitsWarper has it: a token stays while
// the tokens ranked before it sum to less than p, and the best always stays. Of equally likely
// tokens at the border the higher ids stay, which is what its stable ascending sort amounts to.
//
// There is no sort of the vocabulary: the likeliest few are listed, and more only where they don't
// reach p. Among the listed, a histogram over the distance from the best score finds the bucket in
// which the sum crosses p, and only that bucket is sorted. Exact for every p.

/// Keeps the fewest likely tokens whose probabilities reach `probability` together.
struct TopP: CandidateFilter {
  let probability: Float

  /// Buckets per unit of log probability, and their number; the last takes everything beyond
  /// 32 units, which is nothing but the far tail.
  private static let bucketsPerUnit: Float = 16
  private static let bucketCount = 512
  /// How many tokens are listed at least, from try to try, before the whole row is.
  private static let listSizes = [64, 192, 512]

  func shortlist(of row: LogitRow, temperature: Float) -> Candidates {
    let total = row.mass(temperature: temperature)
    for size in Self.listSizes {
      let threshold = row.threshold(reachedBy: size)
      guard threshold > -.infinity else { break }
      var candidates = Candidates(
        row, temperature: temperature, scoringAtLeast: threshold / temperature)
      if candidates.mass >= Double(probability) * total {
        candidates.noteTotalMass(total)
        return candidates
      }
    }
    return Candidates(row, temperature: temperature, scoringAtLeast: -.infinity)
  }

  func filter(_ candidates: inout Candidates) {
    var masses = [Double](repeating: 0, count: Self.bucketCount)
    for token in candidates.tokens {
      masses[bucket(of: token, in: candidates)] += Double(token.weight)
    }
    let target = Double(probability) * (masses.reduce(0, +) + candidates.unlistedMass)
    var massBefore = 0.0
    var border = 0
    while border < Self.bucketCount - 1, massBefore + masses[border] < target {
      massBefore += masses[border]
      border += 1
    }
    let last = lastKept(in: border, massBefore: massBefore, target: target, of: candidates)
    candidates.keep { token in
      guard let last else { return true }
      return token.score > last.score || (token.score == last.score && token.id >= last.id)
    }
  }

  private func bucket(of token: Candidate, in candidates: Candidates) -> Int {
    let distance = (candidates.maximum - token.score) * Self.bucketsPerUnit
    return distance < Float(Self.bucketCount - 1) ? Int(distance) : Self.bucketCount - 1
  }

  /// The lowest-ranking survivor: in the border bucket, the last whose predecessors stay below the
  /// target, or the first of all when even that one reaches it.
  private func lastKept(
    in border: Int, massBefore: Double, target: Double, of candidates: Candidates
  ) -> Candidate? {
    var members = candidates.tokens.filter { bucket(of: $0, in: candidates) == border }
    members.sort { $0.score != $1.score ? $0.score > $1.score : $0.id > $1.id }
    var mass = massBefore
    var last = members.first
    for member in members where mass < target {
      last = member
      mass += Double(member.weight)
    }
    return last
  }
}

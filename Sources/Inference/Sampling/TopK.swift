// Top-k as transformers' TopKLogitsWarper has it: tokens that tie with the k-th best stay, so more
// than k may survive.

/// Keeps the k likeliest tokens and those as likely as the k-th.
struct TopK: CandidateFilter {
  let count: Int

  func shortlist(of row: LogitRow, temperature: Float) -> Candidates {
    let threshold = row.threshold(reachedBy: count)
    return Candidates(row, temperature: temperature, scoringAtLeast: threshold / temperature)
  }

  func filter(_ candidates: inout Candidates) {
    var threshold = -Float.infinity
    if count < candidates.tokens.count {
      var largest = LargestScores(capacity: count)
      for token in candidates.tokens { largest.insert(id: token.id, score: token.score) }
      threshold = largest.worst?.score ?? threshold
    }
    candidates.keep { $0.score >= threshold }
  }
}

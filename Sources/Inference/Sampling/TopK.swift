// Top-k as transformers' TopKLogitsWarper has it: tokens that tie with the k-th best stay, so more
// than k may survive.

/// Keeps the k likeliest tokens and those as likely as the k-th.
struct TopK: CandidateFilter {
  let count: Int

  func filter(_ candidates: inout Candidates) {
    guard count < candidates.count else { return }
    var largest = LargestScores(capacity: count)
    for (id, score) in zip(candidates.ids, candidates.scores) {
      largest.insert(id: id, score: score)
    }
    guard let threshold = largest.worst?.score else { return }
    candidates.keep { _, score in score >= threshold }
  }
}

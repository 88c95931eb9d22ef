// Min-p (arXiv 2407.01082) as transformers' MinPLogitsWarper has it: the threshold is a share of
// the best token's probability, whatever was removed before.

import Glibc

/// Drops tokens less likely than a share of the likeliest.
struct MinP: CandidateFilter {
  let share: Float

  func filter(_ candidates: inout Candidates) {
    let (maximum, share) = (candidates.maximum, share)
    candidates.keep { _, score in expf(score - maximum) >= share }
  }
}

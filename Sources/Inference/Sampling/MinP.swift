// Min-p (arXiv 2407.01082) as transformers' MinPLogitsWarper has it: the threshold is a share of
// the best token's probability, whatever was removed before.

import Glibc

/// Drops tokens less likely than a share of the likeliest.
struct MinP: CandidateFilter {
  let share: Float

  func shortlist(of row: LogitRow, temperature: Float) -> Candidates {
    let maximum = row.maximum / temperature
    // Wider than any rounding of the score, its distance from the maximum and the exponential.
    let margin = 1e-3 + abs(maximum) * 1e-6
    return Candidates(
      row, temperature: temperature, scoringAtLeast: maximum + logf(share) - margin)
  }

  func filter(_ candidates: inout Candidates) {
    candidates.keep { $0.weight >= share }
  }
}

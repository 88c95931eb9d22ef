// Log probabilities of the raw model distribution: before temperature, penalties and filters.
// Summed in a fixed order in float64, so the same row gives the same bits every time.

import Glibc

/// The raw log-softmax of one row of logits, computed on demand.
package struct TokenLogprobs {
  private let row: LogitRow
  /// log(sum(exp(row)))
  private let logSumExp: Double

  package init(_ row: UnsafeBufferPointer<Float>) throws(InferenceError) {
    self.row = try LogitRow(row)
    logSumExp = Double(self.row.maximum) + log(self.row.mass(temperature: 1))
  }

  package func logprob(of token: Int32) -> Float {
    Float(Double(row.logits[Int(token)]) - logSumExp)
  }

  /// Adds exp(logWeight) times each token's probability to `sums`, `[V]`.
  func add(to sums: inout [Double], logWeight: Double) {
    precondition(sums.count == row.logits.count)
    for token in sums.indices {
      sums[token] += exp(Double(row.logits[token]) - logSumExp + logWeight)
    }
  }

  /// `token` with the `alternatives` likeliest tokens, which may include it.
  package func describe(_ token: Int32, alternatives: Int) -> GeneratedToken {
    var largest = LargestScores(capacity: alternatives)
    if alternatives > 0 {
      for id in row.select(atLeast: row.threshold(reachedBy: alternatives)) {
        largest.insert(id: id, score: row.logits[Int(id)])
      }
    }
    let top = largest.sorted.map {
      GeneratedToken.Alternative(id: $0.id, logprob: logprob(of: $0.id))
    }
    return GeneratedToken(id: token, logprob: logprob(of: token), top: top)
  }
}

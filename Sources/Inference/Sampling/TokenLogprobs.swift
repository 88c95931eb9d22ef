// Log probabilities of the raw model distribution: before temperature, penalties and filters.
// Summed in a fixed order in float64, so the same row gives the same bits every time.

import Glibc

/// The raw log-softmax of one row of logits, computed on demand.
struct TokenLogprobs {
  private let row: UnsafeBufferPointer<Float>
  /// log(sum(exp(row)))
  private let logSumExp: Double

  init(_ row: UnsafeBufferPointer<Float>) throws(InferenceError) {
    var maximum = -Float.infinity
    for (token, logit) in row.enumerated() {
      guard logit < .infinity else {
        throw .nonFiniteLogits(token: token, value: "\(logit)")
      }
      maximum = max(maximum, logit)
    }
    guard maximum > -.infinity else { throw .noCandidates }
    var sum = 0.0
    for logit in row { sum += Double(expf(logit - maximum)) }
    self.row = row
    logSumExp = Double(maximum) + log(sum)
  }

  func logprob(of token: Int32) -> Float {
    Float(Double(row[Int(token)]) - logSumExp)
  }

  /// `token` with the `alternatives` likeliest tokens, which may include it.
  func describe(_ token: Int32, alternatives: Int) -> GeneratedToken {
    var top: [GeneratedToken.Alternative] = []
    if alternatives > 0 {
      var largest = LargestScores(capacity: alternatives)
      for (id, logit) in zip(Int32(0)..., row) { largest.insert(id: id, score: logit) }
      top = largest.sorted.map {
        GeneratedToken.Alternative(id: $0.id, logprob: logprob(of: $0.id))
      }
    }
    return GeneratedToken(id: token, logprob: logprob(of: token), top: top)
  }
}

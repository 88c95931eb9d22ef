// The sampler as its documentation reads, without a thought for speed: every token, sorted, with the
// C library's exponential. What the real one, which looks at few tokens, is held against.

import Glibc

@testable import Inference

struct ReferenceSampler {
  struct Entry {
    var id: Int32
    var score: Float
    var weight: Double
  }

  let parameters: SamplingParameters

  /// The tokens that may be chosen, ascending, their weights relative to the best token's.
  func survivors(_ row: [Float], history: (prompt: [Int32], output: [Int32])) -> [Entry] {
    let scores = penalised(row, history: history).map { $0 / parameters.temperature }
    let maximum = scores.max() ?? 0
    var entries = scores.enumerated().map {
      Entry(id: Int32($0), score: $1, weight: Double(expf($1 - maximum)))
    }
    // Likeliest first; of equals the higher id, as transformers ranks them.
    entries.sort { $0.score != $1.score ? $0.score > $1.score : $0.id > $1.id }
    if parameters.topK > 0, parameters.topK < entries.count {
      let threshold = entries[parameters.topK - 1].score
      entries.removeAll { $0.score < threshold }
    }
    if parameters.topP < 1 {
      let target = Double(parameters.topP) * entries.reduce(0) { $0 + $1.weight }
      var mass = 0.0
      let kept = entries.prefix { entry in
        defer { mass += entry.weight }
        return mass < target
      }
      entries = Array(entries.prefix(max(1, kept.count)))
    }
    entries.removeAll { $0.weight < Double(parameters.minP) || $0.weight < 1e-36 }
    return entries.sorted { $0.id < $1.id }
  }

  func choose(_ survivors: [Entry], seed: UInt64, position: Int) -> Int32? {
    let total = survivors.reduce(0) { $0 + $1.weight }
    let target = Philox.uniform(seed: seed, choice: 0, position: UInt64(position)) * total
    var cumulative = 0.0
    return survivors.first {
      cumulative += $0.weight
      return cumulative > target
    }?.id
  }

  private func penalised(
    _ row: [Float], history: (prompt: [Int32], output: [Int32])
  ) -> [Float] {
    var logits = row
    for (token, bias) in parameters.logitBias { logits[Int(token)] += bias }
    for token in Set(history.prompt + history.output) {
      let logit = logits[Int(token)]
      logits[Int(token)] =
        logit < 0 ? logit * parameters.repetitionPenalty : logit / parameters.repetitionPenalty
    }
    for token in Set(history.output) {
      let count = history.output.count { $0 == token }
      logits[Int(token)] -=
        parameters.presencePenalty + parameters.frequencyPenalty * Float(count)
    }
    return logits
  }
}

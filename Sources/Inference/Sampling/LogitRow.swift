// A row of logits that is searched without being sorted: the maxima of some 500 stretches of it
// tell which thresholds few tokens reach, and the tokens that reach one are picked by SIMD. Relies
// on the kernels; refuses rows with NaN or plus infinity, since any choice from them would be noise.

import CKernels
import Compute

/// One row `[V]` of finite logits; minus infinity is a token that can't be.
struct LogitRow {
  let logits: UnsafeBufferPointer<Float>
  /// The token with the largest logit, of equals the lowest.
  let best: Int32
  /// Its logit.
  let maximum: Float
  /// The largest logit of each stretch.
  private let peaks: [Float]

  /// Stretches of a large vocabulary, and the least logits in one.
  private static let stretchCount = 512
  private static let leastStretch = 16

  init(_ logits: UnsafeBufferPointer<Float>) throws(InferenceError) {
    self.logits = logits
    let stretch = max(Self.leastStretch, (logits.count + Self.stretchCount - 1) / Self.stretchCount)
    var peaks: [Float] = []
    peaks.reserveCapacity(logits.count / stretch + 1)
    var best = 0
    var maximum = -Float.infinity
    for start in stride(from: 0, to: logits.count, by: stretch) {
      let part = UnsafeBufferPointer(
        rebasing: logits[start..<min(start + stretch, logits.count)])
      let index = part.baseAddress.map { kernels.argmax($0, part.count) } ?? 0
      peaks.append(part[index])
      if part[index] > maximum { (best, maximum) = (start + index, part[index]) }
    }
    self.peaks = peaks
    self.best = Int32(best)
    self.maximum = maximum
    try check()
  }

  /// NaN passes every threshold, and so shows among the few tokens that reach the maximum.
  private func check() throws(InferenceError) {
    let isImpossible = maximum == -.infinity
    let suspects = isImpossible ? Array(logits.indices) : select(atLeast: maximum).map { Int($0) }
    if let broken = suspects.first(where: { !(logits[$0] < .infinity) }) {
      throw .nonFiniteLogits(token: broken, value: "\(logits[broken])")
    }
    if isImpossible { throw .noCandidates }
  }

  /// A threshold that at least `count` tokens reach, and seldom many more; minus infinity where
  /// only the whole row would do.
  func threshold(reachedBy count: Int) -> Float {
    guard count > 0, count <= peaks.count else { return -.infinity }
    var largest = LargestScores(capacity: count)
    for (index, peak) in zip(Int32(0)..., peaks) { largest.insert(id: index, score: peak) }
    return largest.worst?.score ?? -.infinity
  }

  /// The tokens whose logits reach the threshold, ascending.
  func select(atLeast threshold: Float) -> [Int32] {
    guard let base = logits.baseAddress else { return [] }
    func attempt(capacity: Int) -> (ids: [Int32], found: Int) {
      var found = 0
      let ids = [Int32](unsafeUninitializedCapacity: capacity) { buffer, count in
        guard let target = buffer.baseAddress else { return }
        found = kernels.select(base, logits.count, threshold, target, capacity)
        count = min(found, capacity)
      }
      return (ids, found)
    }
    let first = attempt(capacity: min(logits.count, 2_048))
    return first.found == first.ids.count ? first.ids : attempt(capacity: first.found).ids
  }

  /// The sum over the row of exp(logit / temperature - the largest such score).
  func mass(temperature: Float) -> Double {
    mass(of: logits.indices, temperature: temperature, weights: nil)
  }

  /// The first token in id order at which the cumulative probability exceeds `uniform`.
  func choose(uniform: Double, temperature: Float) -> Int32 {
    let blocks = stride(from: 0, to: logits.count, by: 4_096).map {
      $0..<min($0 + 4_096, logits.count)
    }
    let masses = blocks.map { mass(of: $0, temperature: temperature, weights: nil) }
    let target = uniform * masses.reduce(0, +)
    var cumulative = 0.0
    for (block, mass) in zip(blocks, masses) {
      if cumulative + mass > target {
        return choose(from: block, beyond: target - cumulative, temperature: temperature)
      }
      cumulative += mass
    }
    return best
  }

  private func choose(from block: Range<Int>, beyond target: Double, temperature: Float) -> Int32 {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: block.count) { weights in
      _ = mass(of: block, temperature: temperature, weights: weights.baseAddress)
      var cumulative = 0.0
      var last = best
      for (token, weight) in zip(block, weights) where weight > 0 {
        cumulative += Double(weight)
        last = Int32(token)
        if cumulative > target { break }
      }
      return last
    }
  }

  private func mass(
    of range: Range<Int>, temperature: Float, weights: UnsafeMutablePointer<Float>?
  ) -> Double {
    guard let base = logits.baseAddress else { return 0 }
    return kernels.exponentials(
      base + range.lowerBound, range.count, temperature, maximum / temperature, weights)
  }
}

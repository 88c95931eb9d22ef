// Random numbers that are the same in every run.

/// SplitMix64.
struct RandomSource: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Roughly normal, and enough so for logits.
func randomLogits(_ count: Int, scale: Float, using source: inout RandomSource) -> [Float] {
  (0..<count).map { _ in
    let sum = (0..<4).reduce(Float(0)) { total, _ in
      total + Float.random(in: -1...1, using: &source)
    }
    return sum * scale
  }
}

// Counter-based random numbers: Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3" (SC 2011). A pure function of key and counter, so a token's random number depends on
// (seed, choice, position) alone: not on batching, preemption or what was drawn before.

/// The Philox 4x32 block function with 10 rounds.
enum Philox {
  typealias Block = (UInt32, UInt32, UInt32, UInt32)

  private static let multipliers: (UInt32, UInt32) = (0xD251_1F53, 0xCD9E_8D57)
  private static let keyIncrements: (UInt32, UInt32) = (0x9E37_79B9, 0xBB67_AE85)

  static func block(counter: Block, key: (UInt32, UInt32)) -> Block {
    var (c0, c1, c2, c3) = counter
    var (k0, k1) = key
    for round in 0..<10 {
      if round > 0 {
        k0 &+= keyIncrements.0
        k1 &+= keyIncrements.1
      }
      let p0 = multipliers.0.multipliedFullWidth(by: c0)
      let p1 = multipliers.1.multipliedFullWidth(by: c2)
      (c0, c1, c2, c3) = (p1.high ^ c1 ^ k0, p1.low, p0.high ^ c3 ^ k1, p0.low)
    }
    return (c0, c1, c2, c3)
  }

  /// A number in [0, 1) with 53 random bits. Key: the seed, low word first. Counter: the position's
  /// low and high word, the choice, 0.
  static func uniform(seed: UInt64, choice: UInt32, position: UInt64) -> Double {
    let words = block(
      counter: (
        UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32), choice, 0
      ),
      key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    let bits = UInt64(words.0) << 32 | UInt64(words.1)
    return Double(bits >> 11) * 0x1p-53
  }
}

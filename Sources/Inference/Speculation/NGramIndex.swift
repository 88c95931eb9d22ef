// Finds what followed when a sequence last said the same: runs of three tokens by their place,
// chained as Lempel-Ziv compressors do. An answer that quotes its prompt, or itself, goes on as the
// quoted text does. Relies on being shown the same sequence each time, which only grows.

/// The runs of three tokens of one sequence.
struct NGramIndex: Sendable {
  /// Tokens of a run; shorter repetitions say little about what follows.
  private static let length = 3
  /// Bounds on the work per search: places looked at, and tokens compared at each.
  private static let candidateLimit = 16
  private static let matchLimit = 32
  private static let none: Int32 = -1

  /// The last place of a run by its hash; a power of two of them.
  private var newest = [Int32](repeating: none, count: 1 << 10)
  /// By place: the place before it of a run with the same hash. As many as tokens were seen.
  private var older: [Int32] = []

  /// Up to `count` tokens that may follow `tokens`: those behind the place whose past is the longest
  /// match, of equals the latest. Empty where the last three tokens are new. A repetition that runs
  /// into the end of the sequence repeats itself.
  mutating func continuation(of tokens: [Int32], count: Int) -> [Int32] {
    add(tokens)
    guard count > 0, let place = bestMatch(in: tokens) else { return [] }
    var continuation: [Int32] = []
    continuation.reserveCapacity(count)
    for next in place + 1...place + count {
      let token = next < tokens.count ? tokens[next] : continuation[next - tokens.count]
      continuation.append(token)
    }
    return continuation
  }

  /// Enters the runs that end with tokens not seen before.
  private mutating func add(_ tokens: [Int32]) {
    if tokens.count > newest.count {
      newest = [Int32](repeating: Self.none, count: newest.count * 4)
      older.removeAll(keepingCapacity: true)
      return add(tokens)
    }
    older.reserveCapacity(tokens.count)
    for place in older.count..<max(older.count, tokens.count) {
      guard place >= Self.length - 1 else {
        older.append(Self.none)
        continue
      }
      let slot = slot(of: tokens, at: place)
      older.append(newest[slot])
      newest[slot] = Int32(place)
    }
  }

  private func bestMatch(in tokens: [Int32]) -> Int? {
    var place = older.last ?? Self.none
    var best: (place: Int, length: Int)?
    for _ in 0..<Self.candidateLimit where place != Self.none {
      let length = matchLength(in: tokens, at: Int(place))
      if length > best?.length ?? Self.length - 1 { best = (Int(place), length) }
      place = older[Int(place)]
    }
    return best?.place
  }

  /// How many tokens up to `place` equal those at the end.
  private func matchLength(in tokens: [Int32], at place: Int) -> Int {
    let limit = min(place + 1, Self.matchLimit)
    return (0..<limit).first { tokens[place - $0] != tokens[tokens.count - 1 - $0] } ?? limit
  }

  /// Multiplicative hashing (Knuth, volume 3, 6.4) of the run that ends at `place`.
  private func slot(of tokens: [Int32], at place: Int) -> Int {
    var hash: UInt64 = 0
    for token in tokens[place - Self.length + 1...place] {
      hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x9E37_79B9_7F4A_7C15
    }
    return Int(hash >> 32) & (newest.count - 1)
  }
}

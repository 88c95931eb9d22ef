// How sequences are grouped for the encoder: alike lengths together, a bounded number of tokens at
// a time, so that memory stays bounded and other requests get their turn in between.

enum EmbeddingPlan {
  /// Tokens of a group: for every thread enough to use each weight well, few enough for others' turns to
  /// come soon.
  static func tokensPerGroup(threads: Int) -> Int { max(1_536, 128 * threads) }

  /// Indexes of `lengths`, shortest first, in groups of at most `tokensPerGroup` tokens; a sequence
  /// that is longer has a group of its own.
  static func groups(lengths: [Int], tokensPerGroup: Int) -> [[Int]] {
    var groups: [[Int]] = []
    var tokenCount = 0
    for index in lengths.indices.sorted(by: { (lengths[$0], $0) < (lengths[$1], $1) }) {
      if let last = groups.indices.last, tokenCount + lengths[index] <= tokensPerGroup {
        groups[last].append(index)
        tokenCount += lengths[index]
      } else {
        groups.append([index])
        tokenCount = lengths[index]
      }
    }
    return groups
  }
}

// How sequences are grouped for the encoder: alike lengths together, a bounded number of tokens at
// a time, so that memory stays bounded and other requests get their turn in between.

enum EmbeddingPlan {
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

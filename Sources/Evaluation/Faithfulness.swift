// How far an answer says only what its citations say: the share of its sentences that cite passages
// which support them. A sentence without a citation counts as unfaithful, whatever it says, and so does
// one that cites what was not given. What supports is told by words (`Support`).

package struct Faithfulness: Sendable, Hashable {
  /// With enough of their content terms in what they cite.
  package var supported = 0
  package var cited = 0
  package var sentences = 0

  package init() {}

  /// nil for an answer without a sentence.
  package var share: Double? { sentences > 0 ? Double(supported) / Double(sentences) : nil }

  /// - Parameters:
  ///   - passages: by the number that the answer cites them by.
  ///   - boundaries: ranges of a text's sentences, in Unicode scalars.
  package init(
    _ answer: String, passages: [Int: String], boundaries: (String) -> [Range<Int>]
  ) {
    for sentence in CitedSentence.split(answer, boundaries: boundaries) {
      sentences += 1
      let given = sentence.markers.compactMap { passages[$0.number] }
      guard !given.isEmpty else { continue }
      cited += 1
      if Support.share(of: sentence.text, in: given) >= Support.threshold { supported += 1 }
    }
  }
}

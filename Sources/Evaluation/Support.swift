// Whether a passage supports a sentence, told from their words alone: the share of the sentence's
// content terms (stemmed words without stop words, pairs of ideographs) that the passage has. A rule
// of thumb that anyone can check: it sees no negation and no inference, but a sentence that shares
// few words with what it cites is seldom taken from there.

import SearchIndex

package enum Support {
  /// From this share on, a sentence counts as supported.
  package static let threshold = 0.6

  /// From 0 to 1; 1 for a sentence without content terms, such as "Yes.", which claims nothing that
  /// words could tell.
  package static func share(of sentence: String, in passages: [String]) -> Double {
    let terms = ContentTerms.of(sentence)
    guard !terms.isEmpty else { return 1 }
    let known = passages.reduce(into: Set<[UInt8]>()) { $0.formUnion(ContentTerms.of($1)) }
    return Double(terms.intersection(known).count) / Double(terms.count)
  }

  /// Which of the `parts` of a passage shares most content terms with a sentence, the first of equals;
  /// nil where none shares any.
  package static func best(of parts: [String], for sentence: String) -> Int? {
    let terms = ContentTerms.of(sentence)
    var best: (index: Int, count: Int)?
    for (index, part) in parts.enumerated() {
      let count = terms.intersection(ContentTerms.of(part)).count
      if count > best?.count ?? 0 { best = (index, count) }
    }
    return best?.index
  }
}

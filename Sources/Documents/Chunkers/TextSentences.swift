// Sentences of a text for those who aren't chunkers: English and Chinese, by the same rules.

package enum TextSentences {
  /// Ranges of Unicode scalars in order, white space at their ends left out, none empty.
  package static func ranges(of text: String) -> [Range<Int>] {
    let scalars = ScalarText(text)
    return SentenceBoundaries(scalars).sentences().map(scalars.trimmed).filter { !$0.isEmpty }
  }
}

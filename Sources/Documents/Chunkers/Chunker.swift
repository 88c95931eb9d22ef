// Cutting a document's text into chunks. A chunk is a range of Unicode scalars and nothing else, so
// text is never altered and its offsets are exact. Chunks may overlap; what is between them is
// separators and white space. Refuses nothing: settings are checked before.

package protocol Chunker: Sendable {
  /// Ranges in ascending order, none empty.
  func chunks(of text: ScalarText) -> [Range<Int>]
}

/// A text that can be indexed by Unicode scalar.
package struct ScalarText: Sendable {
  package let scalars: [Unicode.Scalar]

  package init(_ text: String) { scalars = Array(text.unicodeScalars) }

  package init(_ scalars: ArraySlice<Unicode.Scalar>) { self.scalars = Array(scalars) }

  package var count: Int { scalars.count }

  package func string(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars[range])
    return String(view)
  }

  /// The range without white space at its ends.
  package func trimmed(_ range: Range<Int>) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper, scalars[lower].isTrimmed { lower += 1 }
    while upper > lower, scalars[upper - 1].isTrimmed { upper -= 1 }
    return lower..<upper
  }
}

extension Unicode.Scalar {
  /// What Python's str.strip takes away, which LangChain uses: white space and U+001C...U+001F.
  var isTrimmed: Bool {
    properties.isWhitespace || (0x1C...0x1F).contains(value)
  }
}

/// How much of a text the embedding model sees.
package struct TokenLimit: Sendable {
  let maximum: Int
  let count: @Sendable (String) -> Int

  package init(maximum: Int, count: @escaping @Sendable (String) -> Int) {
    self.maximum = maximum
    self.count = count
  }

  func allows(_ range: Range<Int>, of text: ScalarText) -> Bool {
    count(text.string(range)) <= maximum
  }
}

extension Chunker {
  /// Ranges of the text within one part of it, which is cut as if it stood alone.
  func chunks(of text: ScalarText, within part: Range<Int>) -> [Range<Int>] {
    chunks(of: ScalarText(text.scalars[part])).map {
      part.lowerBound + $0.lowerBound..<part.lowerBound + $0.upperBound
    }
  }
}

/// One chunk per document.
struct WholeDocumentChunker: Chunker {
  func chunks(of text: ScalarText) -> [Range<Int>] {
    let range = text.trimmed(0..<text.count)
    return range.isEmpty ? [] : [range]
  }
}

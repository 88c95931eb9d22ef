// Cutting a document's text into chunks. A chunk is a range of Unicode scalars and nothing else, so
// text is never altered and its offsets are exact. Chunks may overlap; what is between them is
// separators and white space. Refuses nothing: settings are checked before.

protocol Chunker: Sendable {
  /// Ranges in ascending order, none empty.
  func chunks(of text: ScalarText) -> [Range<Int>]
}

/// A text that can be indexed by Unicode scalar.
struct ScalarText: Sendable {
  let scalars: [Unicode.Scalar]

  init(_ text: String) { scalars = Array(text.unicodeScalars) }

  init(_ scalars: ArraySlice<Unicode.Scalar>) { self.scalars = Array(scalars) }

  var count: Int { scalars.count }

  func string(_ range: Range<Int>) -> String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars[range])
    return String(view)
  }

  /// The range without white space at its ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
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
struct TokenLimit: Sendable {
  let maximum: Int
  let count: @Sendable (String) -> Int

  init(maximum: Int, count: @escaping @Sendable (String) -> Int) {
    self.maximum = maximum
    self.count = count
  }

  /// - Parameter prompt: goes in front of every chunk
  init(_ embedder: any Embedder, prompt: String = "") {
    maximum = embedder.identity.maximumTokens
    count = { embedder.tokenCount(prompt + $0) }
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

extension ChunkingSettings {
  /// - Parameter format: what the document was made from, such as its programming language
  func chunker(limit: TokenLimit?, format: String? = nil) -> any Chunker {
    switch strategy {
    case .characters: CharacterChunker(size: size, overlap: overlap, separator: separator)
    case .recursive: RecursiveChunker(size: size, overlap: overlap, limit: limit)
    case .sentences: SentenceChunker(size: size, overlap: overlap, limit: limit)
    case .markdown: MarkdownChunker(size: size, overlap: overlap, limit: limit)
    case .code:
      RecursiveChunker(
        size: size, overlap: overlap, limit: limit,
        separators: CodeSeparators.of(language: format))
    case .tokens: TokenChunker(size: size, overlap: overlap, limit: limit)
    case .semantic: SemanticChunker(size: size, percentile: threshold, limit: limit)
    case .none: WholeDocumentChunker()
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

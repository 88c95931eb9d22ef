// Makes a segment from texts, one row each. Words are cut, stemmed and numbered as they come; a
// counting sort by word then gives each word its rows and positions in order.
// Positions count words and, in runs of ideographs, characters; a code has that of its first word.

import Compute

struct SegmentBuilder {
  private let stemmer: WordStemmer
  private var terms = ByteStringTable()
  /// Words as they are written, so that each is stemmed once.
  private var words = ByteStringTable()
  /// Per word as written, its term; nil where nothing of it is looked up.
  private var termOfWord: [UInt32?] = []
  private var tokens: [Token] = []
  /// Per row, the number of tokens up to its end.
  private var rowEnds: [Int] = []
  private var lengths: [UInt32] = []

  private struct Token {
    var term: UInt32
    var position: UInt32
  }

  /// - Parameter language: of the collection, a tag such as "en".
  init(language: String) { stemmer = WordStemmer(language: language) }

  mutating func add(_ text: String) {
    var text = text
    var position: UInt32 = 0
    text.withUTF8 { text in
      var scanner = TextScanner(text)
      scanner.scan { piece in
        switch piece {
        case .word(let range):
          append(termOfWord(UnsafeBufferPointer(rebasing: text[range])), position)
          position += 1
        case .code(let range):
          append(termOfWord(UnsafeBufferPointer(rebasing: text[range])), position)
        case .ideographs(let range):
          appendPairs(UnsafeBufferPointer(rebasing: text[range]), &position)
        }
      }
    }
    rowEnds.append(tokens.count)
    lengths.append(position)
  }

  private mutating func append(_ term: UInt32?, _ position: UInt32) {
    if let term { tokens.append(Token(term: term, position: position)) }
  }

  private mutating func termOfWord(_ word: UnsafeBufferPointer<UInt8>) -> UInt32? {
    let known = words.number(of: word)
    if known.isNew {
      let term = stemmer.term(word)
      termOfWord.append(term.isEmpty ? nil : number(ofTerm: term))
    }
    return termOfWord[known.number]
  }

  private mutating func number(ofTerm term: [UInt8]) -> UInt32 {
    UInt32(term.withUnsafeBufferPointer { terms.number(of: $0).number })
  }

  /// Each character with the one after it, the last one alone: "模型图" is 模型, 型图, 图.
  private mutating func appendPairs(
    _ run: UnsafeBufferPointer<UInt8>, _ position: inout UInt32
  ) {
    var start = 0
    var middle = Self.length(of: run[0])
    while start < run.count {
      let end = middle < run.count ? middle + Self.length(of: run[middle]) : middle
      let pair = UnsafeBufferPointer(rebasing: run[start..<end])
      append(UInt32(terms.number(of: pair).number), position)
      position += 1
      (start, middle) = (middle, end)
    }
  }

  private static func length(of first: UInt8) -> Int {
    first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
  }

  // MARK: Sorting

  func finished() -> Result<LexicalSegment, ComputeError> {
    Result { () throws(ComputeError) in try segment() }
  }

  private func segment() throws(ComputeError) -> LexicalSegment {
    let (starts, sorted) = tokensByTerm()
    let order = (0..<terms.count).sorted { terms[$0].lexicographicallyPrecedes(terms[$1]) }
    var entries: [LexicalSegment.Term] = []
    var bytes: [UInt8] = []
    var writer = PostingsWriter()
    for term in order {
      bytes += terms[term]
      let first = writer.blocks.count
      write(sorted[starts[term]..<starts[term + 1]], to: &writer)
      entries.append(
        LexicalSegment.Term(
          end: UInt32(bytes.count), firstBlock: UInt32(first),
          rowCount: UInt32(writer.finishWord())))
    }
    return try LexicalSegment(
      lengths: lengths, terms: entries, termBytes: bytes, postings: writer)
  }

  private struct Occurrence {
    var row: UInt32
    var position: UInt32
  }

  /// The occurrences of term t are those from starts[t] to starts[t + 1], in the order of the text.
  private func tokensByTerm() -> (starts: [Int], sorted: [Occurrence]) {
    var starts = [Int](repeating: 0, count: terms.count + 1)
    for token in tokens { starts[Int(token.term) + 1] += 1 }
    for term in 0..<terms.count { starts[term + 1] += starts[term] }
    var next = starts
    var sorted = [Occurrence](repeating: Occurrence(row: 0, position: 0), count: tokens.count)
    var first = 0
    for (row, end) in rowEnds.enumerated() {
      for token in tokens[first..<end] {
        sorted[next[Int(token.term)]] = Occurrence(row: UInt32(row), position: token.position)
        next[Int(token.term)] += 1
      }
      first = end
    }
    return (starts, sorted)
  }

  private func write(_ occurrences: ArraySlice<Occurrence>, to writer: inout PostingsWriter) {
    var positions: [UInt32] = []
    var index = occurrences.startIndex
    while index < occurrences.endIndex {
      let row = occurrences[index].row
      positions.removeAll(keepingCapacity: true)
      while index < occurrences.endIndex, occurrences[index].row == row {
        positions.append(occurrences[index].position)
        index += 1
      }
      let kept = positions.prefix(Int(PostingsBlock.maximumFrequency))
      kept.withUnsafeBufferPointer {
        writer.append(
          row: row, frequency: UInt32($0.count), length: lengths[Int(row)], positions: $0)
      }
    }
  }
}

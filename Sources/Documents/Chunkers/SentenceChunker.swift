// Puts whole sentences together up to a size in Unicode scalars and, where the embedding model's
// limit is known, up to that. The next chunk starts with those last sentences of the previous one
// that fit into the overlap. A sentence that is too long by itself is cut at the best place there
// is: after a comma or the like, at white space, else between two characters.

struct SentenceChunker: Chunker {
  let size: Int
  let overlap: Int
  let limit: TokenLimit?

  func chunks(of text: ScalarText) -> [Range<Int>] {
    let sentences = SentenceBoundaries(text).sentences().flatMap { cut($0, of: text) }
    // Counted apart, sentences tell where to look; `fits` then counts what will really be embedded.
    let tokens = sentences.map { range in limit.map { $0.count(text.string(range)) } ?? 0 }
    var chunks: [Range<Int>] = []
    var first = 0
    while first < sentences.count {
      var end = first + 1
      var total = tokens[first]
      while end < sentences.count, text.trimmed(join(sentences, first, end + 1)).count <= size,
        limit.map({ total + tokens[end] <= $0.maximum }) ?? true
      {
        total += tokens[end]
        end += 1
      }
      while end > first + 1, !fits(join(sentences, first, end), of: text) { end -= 1 }
      let chunk = text.trimmed(join(sentences, first, end))
      if !chunk.isEmpty { chunks.append(chunk) }
      guard end < sentences.count else { break }
      first = overlapStart(sentences, tokens, from: first, to: end, in: text)
    }
    return chunks
  }

  private func join(_ sentences: [Range<Int>], _ first: Int, _ end: Int) -> Range<Int> {
    sentences[first].lowerBound..<sentences[end - 1].upperBound
  }

  private func fits(_ range: Range<Int>, of text: ScalarText) -> Bool {
    limit?.allows(text.trimmed(range), of: text) ?? true
  }

  /// The first sentence of the chunk after `sentences[first..<end]`: as far back as the overlap
  /// allows, but so that the chunk gets at least one sentence that the previous one didn't have.
  private func overlapStart(
    _ sentences: [Range<Int>], _ tokens: [Int], from first: Int, to end: Int, in text: ScalarText
  ) -> Int {
    var start = end
    var total = tokens[end]
    while start - 1 > first {
      let candidate = start - 1
      total += tokens[candidate]
      let overlapping = text.trimmed(join(sentences, candidate, end)).count
      let withNext = text.trimmed(join(sentences, candidate, end + 1))
      guard overlapping <= overlap, withNext.count <= size,
        limit.map({ total <= $0.maximum }) ?? true, fits(withNext, of: text)
      else { break }
      start = candidate
    }
    return start
  }

  // MARK: Sentences too long by themselves

  private func cut(_ sentence: Range<Int>, of text: ScalarText) -> [Range<Int>] {
    var pieces: [Range<Int>] = []
    var rest = sentence
    while !rest.isEmpty {
      var piece = rest
      while piece.count > 1 {
        let seen = text.trimmed(piece)
        if seen.count > size {
          piece = shortened(piece, to: seen.lowerBound - piece.lowerBound + size, in: text)
        } else if !fits(piece, of: text) {
          piece = shortened(piece, to: max(1, piece.count * 3 / 4), in: text)
        } else {
          break
        }
      }
      pieces.append(piece)
      rest = piece.upperBound..<rest.upperBound
    }
    return pieces
  }

  /// A prefix of at most `count` scalars, at least one, that ends at the best place in its last half.
  private func shortened(_ range: Range<Int>, to count: Int, in text: ScalarText) -> Range<Int> {
    let most = range.lowerBound + min(count, range.count - 1)
    let least = range.lowerBound + max(1, (most - range.lowerBound) / 2)
    func last(_ test: (Int) -> Bool) -> Int? {
      stride(from: most, through: least, by: -1).first(where: test)
    }
    let end =
      last { Self.clauseEnds.contains(text.scalars[$0 - 1]) && Self.isCut($0, in: text) }
      ?? last { text.scalars[$0 - 1].isTrimmed }
      ?? last { Self.isCut($0, in: text) }
      ?? most
    return range.lowerBound..<end
  }

  /// Whether a cut before this scalar keeps marks, joiners and their base together.
  private static func isCut(_ position: Int, in text: ScalarText) -> Bool {
    let before = text.scalars[position - 1]
    guard position < text.count else { return true }
    let after = text.scalars[position]
    if before == "\u{200D}" || after == "\u{200D}" { return false }
    if before.properties.isEmojiModifierBase, after.properties.isEmojiModifier { return false }
    switch after.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: return false
    default: return true
    }
  }

  private static let clauseEnds: Set<Unicode.Scalar> = [
    ",", ";", ":", "，", "、", "：", "；", "—", "\n",
  ]
}

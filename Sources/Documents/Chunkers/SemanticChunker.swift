// Cuts where the text turns to something else: where the embeddings of neighbouring sentences, each
// taken with the one before and the one behind it, are further apart than a percentile of all such
// distances in the document (Kamradt's "5 levels of text splitting", as LangChain's SemanticChunker
// has it). Relies on its caller for the embeddings. What is longer than the size is cut like sentences.

package struct SemanticChunker: Chunker {
  let size: Int
  /// 1 to 99.
  let percentile: Int
  let limit: TokenLimit?

  package init(size: Int, percentile: Int, limit: TokenLimit?) {
    self.size = size
    self.percentile = percentile
    self.limit = limit
  }

  /// A document on its way: what to embed, and where the sentences are that it belongs to.
  package struct Plan: Sendable {
    let sentences: [Range<Int>]
    /// One per sentence.
    package let windows: [String]
  }

  package func plan(_ text: ScalarText) -> Plan {
    let sentences = SentenceBoundaries(text).sentences().filter { !text.trimmed($0).isEmpty }
    let windows = sentences.indices.map { index in
      let first = sentences[max(0, index - 1)].lowerBound
      let last = sentences[min(sentences.count - 1, index + 1)].upperBound
      return text.string(text.trimmed(first..<last))
    }
    return Plan(sentences: sentences, windows: windows)
  }

  /// - Parameter vectors: the embeddings of the plan's windows
  package func chunks(of text: ScalarText, _ plan: Plan, vectors: [[Float]]) -> [Range<Int>] {
    precondition(vectors.count == plan.sentences.count)
    let distances = zip(vectors, vectors.dropFirst()).map { Self.distance($0, $1) }
    let threshold = Self.percentile(percentile, of: distances)
    var chunks: [Range<Int>] = []
    var start = 0
    for index in plan.sentences.indices {
      let isLast = index == plan.sentences.count - 1
      guard isLast || distances[index] > threshold else { continue }
      let part = plan.sentences[start].lowerBound..<plan.sentences[index].upperBound
      chunks += within(part, of: text)
      start = index + 1
    }
    return chunks
  }

  /// Without embeddings there is one part.
  package func chunks(of text: ScalarText) -> [Range<Int>] { within(0..<text.count, of: text) }

  private func within(_ part: Range<Int>, of text: ScalarText) -> [Range<Int>] {
    SentenceChunker(size: size, overlap: 0, limit: limit).chunks(of: text, within: part)
  }

  /// One minus the cosine, in float64 as LangChain has it, so that equal distances are the same ones.
  private static func distance(_ a: [Float], _ b: [Float]) -> Double {
    var (product, first, second): (Double, Double, Double) = (0, 0, 0)
    for (x, y) in zip(a, b) {
      product += Double(x) * Double(y)
      first += Double(x) * Double(x)
      second += Double(y) * Double(y)
    }
    let lengths = first.squareRoot() * second.squareRoot()
    return lengths > 0 ? 1 - product / lengths : 1
  }

  /// By linear interpolation between the closest ranks, rounded as numpy's.
  static func percentile(_ percentile: Int, of values: [Double]) -> Double {
    guard !values.isEmpty else { return .infinity }
    let sorted = values.sorted()
    let rank = Double(percentile) / 100 * Double(sorted.count - 1)
    let below = Int(rank)
    let (low, high) = (sorted[below], sorted[min(below + 1, sorted.count - 1)])
    let share = rank - Double(below)
    return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share)
  }
}

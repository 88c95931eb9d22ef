// One query's BM25 scores over one state of an index (Robertson and Zaragoza 2009), with
// idf = ln(1 + (N - n + 0.5) / (n + 0.5)), k1 = 1.2, b = 0.75. A phrase or beginning counts as a
// word of its own. The best rows come out as a plain loop over all rows would find them.

import CKernels
import Glibc

package struct LexicalSearch {
  /// One per segment that has any of the words.
  private var parts: [Part] = []
  private let mask: RowBitmap?
  /// Scores are whole multiples of 1 / scale, a power of two.
  private let scale: Double
  /// So few rows may be found that each is looked up instead of the words' postings being gone
  /// through.
  private let isSelective: Bool

  /// What is known of the query's clauses, in their order.
  private let clauses: [ClauseScore]

  private struct Part {
    var firstRow: Int
    var segment: LexicalSegment
    var lists: [ScoredList]
  }

  private static let (k1, b) = (1.2, 0.75)

  /// - Parameter mask: rows that may be found; nil is all.
  package init(_ query: LexicalQuery, in index: LexicalIndex, mask: RowBitmap?) {
    defer { withExtendedLifetime(index) {} }
    self.mask = mask
    isSelective = mask.map { $0.count * 32 < index.rowCount } ?? false
    let found = index.segments.map { placed in
      query.clauses.map { ClausePostings($0.clause, in: placed.segment) }
    }
    clauses = query.clauses.enumerated().map { number, weighed in
      let rows = found.reduce(0) { $0 + ($1[number]?.list.rowCount ?? 0) }
      return ClauseScore(
        clause: weighed.clause.description, queryFrequency: weighed.count, rowCount: rows,
        idf: log(1 + (Double(index.rowCount - rows) + 0.5) / (Double(rows) + 0.5)))
    }
    let weights = clauses.map { $0.idf * (Self.k1 + 1) * Double($0.queryFrequency) }
    let total = max(weights.reduce(0, +), 1e-3)
    // The sum of a row's whole-numbered scores stays below 2^30.
    scale = scalbn(1, 29 - Int(total.exponent))
    let slope = Self.k1 * Self.b / index.averageLength
    for (placed, clauses) in zip(index.segments, found) {
      let lists = clauses.enumerated().compactMap { clause, postings in
        postings.map { postings in
          ScoredList(
            clause: clause, postings: postings,
            scorer: martlet_bm25(
              weight: Float(weights[clause] * scale), constant: Float(Self.k1 * (1 - Self.b)),
              slope: Float(slope)))
        }
      }
      guard !lists.isEmpty else { continue }
      parts.append(Part(firstRow: placed.firstRow, segment: placed.segment, lists: lists))
    }
  }

  /// The best rows with any of the query's words, best first.
  package func top(_ count: Int) -> [ScoredRow] {
    var top = TopRows(capacity: count)
    guard count > 0 else { return [] }
    defer { withExtendedLifetime(parts) {} }
    for part in parts {
      let search = SegmentSearch(
        part.lists, firstRow: part.firstRow, rowCount: part.segment.rowCount, mask: mask,
        isSelective: isSelective, scale: scale)
      search.run(into: &top)
    }
    return top.sorted
  }

  /// The scores of rows, which ascend; nil where a row has none of the words.
  package func scores(ofRows rows: [Int]) -> [Double?] {
    defer { withExtendedLifetime(parts) {} }
    var scores = [Double?](repeating: nil, count: rows.count)
    for part in parts {
      let end = part.firstRow + part.segment.rowCount
      let own = rows.indices.filter { (part.firstRow..<end).contains(rows[$0]) }
      guard !own.isEmpty else { continue }
      let sums = SegmentSearch.sums(
        of: own.map { UInt32(rows[$0] - part.firstRow) }, part.lists)
      for (index, sum) in zip(own, sums) where sum > 0 { scores[index] = Double(sum) / scale }
    }
    return scores
  }
}

// MARK: Explanation

/// What one clause of a query is worth.
package struct ClauseScore: Sendable, Hashable {
  /// As it is looked up: a stemmed word, beginning*, or "the words of a phrase".
  package var clause: String
  /// How often the query has it.
  package var queryFrequency: Int
  /// Rows of the index that have it.
  package var rowCount: Int
  package var idf: Double
  /// How often the row has it.
  package var frequency = 0
  /// What it adds to the row's score.
  package var score = 0.0
}

extension LexicalSearch {
  /// What each clause that the row has adds to its score, to which they add up.
  package func parts(ofRow row: Int) -> [ClauseScore] {
    let own = parts.first { ($0.firstRow..<$0.firstRow + $0.segment.rowCount).contains(row) }
    guard let own else { return [] }
    defer { withExtendedLifetime(own) {} }
    let place = UInt32(row - own.firstRow)
    return own.lists.compactMap { list in
      withUnsafeTemporaryAllocation(of: UInt32.self, capacity: PostingsCursor.scratchCount) {
        scratch -> ClauseScore? in
        guard let base = scratch.baseAddress else { return nil }
        var cursor = PostingsCursor(list.postings.list, list.scorer, scratch: base)
        guard cursor.move(to: place) else { return nil }
        var part = clauses[list.clause]
        part.frequency = Int(cursor.frequency)
        part.score = Double(cursor.score(of: place)) / scale
        return part
      }
    }
  }
}

extension LexicalQuery.Clause: CustomStringConvertible {
  var description: String {
    switch self {
    case .word(let word): String(decoding: word, as: UTF8.self)
    case .prefix(let beginning, _): String(decoding: beginning, as: UTF8.self) + "*"
    case .phrase(let words):
      "\"\(words.map { String(decoding: $0.term, as: UTF8.self) }.joined(separator: " "))\""
    }
  }
}

/// What one clause finds in one segment, and how that scores.
struct ScoredList {
  /// Its number in the query.
  var clause: Int
  var postings: ClausePostings
  var scorer: martlet_bm25
}

/// The rows of one clause in one segment.
struct ClausePostings {
  let list: PostingsList
  private let owner: AnyObject

  /// nil where the segment has none.
  init?(_ clause: LexicalQuery.Clause, in segment: LexicalSegment) {
    switch clause {
    case .word(let word):
      guard let term = segment.term(of: word) else { return nil }
      self.init(term, segment)
    case .prefix(let beginning, let stem):
      var terms = Array(segment.terms(startingWith: beginning))
      if let term = segment.term(of: stem), !terms.contains(term) { terms.append(term) }
      guard let first = terms.first else { return nil }
      if terms.count == 1 {
        self.init(first, segment)
      } else {
        self.init(DerivedPostings.union(terms, in: segment))
      }
    case .phrase(let words):
      var terms: [(term: Int, offset: UInt32)] = []
      for word in words {
        guard let term = segment.term(of: word.term) else { return nil }
        terms.append((term, word.offset))
      }
      self.init(DerivedPostings.phrase(terms, in: segment))
    }
    guard list.rowCount > 0 else { return nil }
  }

  private init(_ term: Int, _ segment: LexicalSegment) {
    list = segment.postings(ofTerm: term)
    owner = segment
  }

  private init(_ derived: DerivedPostings) {
    list = derived.list
    owner = derived
  }
}

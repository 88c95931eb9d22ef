// The semantic chunker against LangChain's (scripts/fixtures/retrieval_semantic.py), given the same
// sentences and the same vectors. Ours differs on purpose in what a sentence is (abbreviations, quotation
// marks, Chinese), in that a window is the text as it stands, and in that chunks have a greatest size.

import FoundationEssentials
import JSON
import Testing

@testable import Documents

@Suite struct SemanticChunkerTests {
  struct Case {
    let language: String
    let text: ScalarText
    let sentences: [Range<Int>]
    let windows: [String]
    let vectors: [[Float]]
    /// Sentences of each chunk, by percentile.
    let cuts: [(percentile: Int, counts: [Int])]

    init(_ json: JSONValue) throws {
      language = try #require(json["language"]?.string)
      text = ScalarText(try #require(json["text"]?.string))
      sentences = try #require(json["sentences"]?.array).map {
        try #require($0[0]?.int)..<(try #require($0[1]?.int))
      }
      windows = try #require(json["windows"]?.array).compactMap(\.string)
      vectors = try #require(json["vectors"]?.array).map { vector in
        try #require(vector.array).map { Float(try #require($0.int)) }
      }
      cuts = try #require(json["cuts"]?.object).map {
        (try #require(Int($0.key)), try #require($0.value.array).compactMap(\.int))
      }
    }

    /// Where chunks of so many sentences lie.
    func ranges(_ counts: [Int]) -> [Range<Int>] {
      var start = 0
      return counts.map { count in
        defer { start += count }
        return sentences[start].lowerBound..<sentences[start + count - 1].upperBound
      }
    }
  }

  static func cases() throws -> [Case] {
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/retrieval/semantic.json")
    let golden = try JSONValue(parsing: [UInt8](Data(contentsOf: fixture)))
    return try #require(golden["cases"]?.array).map(Case.init)
  }

  @Test func cutsWhereLangChainCuts() throws {
    let cases = try Self.cases()
    #expect(cases.count == 18)
    for golden in cases {
      let plan = SemanticChunker.Plan(sentences: golden.sentences, windows: golden.windows)
      for (percentile, counts) in golden.cuts {
        let chunker = SemanticChunker(size: 1_000_000, percentile: percentile, limit: nil)
        let chunks = chunker.chunks(of: golden.text, plan, vectors: golden.vectors)
        #expect(
          chunks == golden.ranges(counts),
          "\(golden.language), \(golden.sentences.count) sentences, \(percentile) %")
      }
    }
  }

  /// Where plain sentences leave no doubt, ours are LangChain's, and so is what is embedded; between
  /// Chinese ones LangChain puts spaces that the text doesn't have.
  @Test func plainSentencesAreTheSame() throws {
    for golden in try Self.cases() {
      let plan = SemanticChunker(size: 500, percentile: 95, limit: nil).plan(golden.text)
      #expect(plan.sentences.map(golden.text.trimmed) == golden.sentences)
      let isChinese = golden.language == "zh"
      #expect(
        plan.windows == golden.windows.map { isChinese ? $0.filter { $0 != " " } : $0 })
    }
  }

  /// Longer chunks than the size are cut further, always between sentences.
  @Test func chunksAreNoLongerThanTheSize() throws {
    let golden = try #require(try Self.cases().last { $0.language == "en" })
    let plan = SemanticChunker.Plan(sentences: golden.sentences, windows: golden.windows)
    let counts = try #require(golden.cuts.first { $0.percentile == 95 }?.counts)
    let chunker = SemanticChunker(size: 120, percentile: 95, limit: nil)
    let chunks = chunker.chunks(of: golden.text, plan, vectors: golden.vectors)
    #expect(chunks.allSatisfy { $0.count <= 120 })
    let ends = Set(chunks.map(\.upperBound))
    #expect(golden.ranges(counts).allSatisfy { ends.contains($0.upperBound) })
    #expect(ends.isSubset(of: Set(golden.sentences.map(\.upperBound))))
  }
}

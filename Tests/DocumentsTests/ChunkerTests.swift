// What holds for every chunker on any text, and what is particular to some of them.

import Fuzzing
import Testing

@testable import Documents

@Suite struct ChunkerTests {
  private static let pieces = [
    "# Title\n", "## 第二章\n\n", "```python\ndef f():\n\n    return 1\n```\n",
    "The model finds passages. ",
    "模型检索文档。", "Naïve cafés, e.g. in Paris", "\n\n", "\n", "\r\n", " ", "\u{0C}",
    "re\u{301}sume\u{301} ",
    "👩‍👩‍👧", "- item\n", "| a | b |\n", "---\n", "func x() {\n", "class A:\n", "长词", "！",
    "A. B. Smith. ",
    "word\u{200B}word", "\u{FEFF}", "a\0b ", "한국어 문장. ", "unbroken", "=====\n", "~~~\n",
    "    code\n",
  ]

  private static func text(_ random: inout SeededRandom) -> String {
    (0..<Int.random(in: 0...60, using: &random)).map { _ in
      pieces.randomElement(using: &random) ?? ""
    }.joined()
  }

  /// Ranges in order, within the text, no white space at their ends, nothing but white space left out,
  /// no longer than the size. That text[offsets] is the chunk follows from chunks being ranges.
  @Test(arguments: ChunkingStrategy.allCases, [false, true])
  func chunksAreSlicesThatCoverTheText(strategy: ChunkingStrategy, isLimited: Bool) {
    var random = SeededRandom(seed: UInt64(strategy.rawValue.utf8.count))
    for round in 0..<120 {
      let text = ScalarText(Self.text(&random))
      var settings = ChunkingSettings()
      settings.strategy = strategy
      settings.size = [3, 12, 40, 200][round % 4]
      settings.overlap = [0, settings.size / 4][round / 4 % 2]
      settings.separator = ["\n\n", " ", ""][round % 3]
      let limit = isLimited ? TokenLimit.words(maximum: 16) : nil
      let chunks = settings.chunker(limit: limit, format: ["python", nil][round % 2])
        .chunks(of: text)
      var covered = 0
      for (index, chunk) in chunks.enumerated() {
        #expect(!chunk.isEmpty && chunk.upperBound <= text.count)
        #expect(text.trimmed(chunk) == chunk)
        if index > 0 {
          #expect(chunks[index - 1].lowerBound <= chunk.lowerBound)
          #expect(chunks[index - 1].upperBound <= chunk.upperBound)
        }
        // What is left out is white space, or a separator.
        let gap = covered..<max(covered, chunk.lowerBound)
        #expect(text.trimmed(gap).isEmpty, "\(strategy)")
        covered = max(covered, chunk.upperBound)
        if ![ChunkingStrategy.none, .tokens, .characters].contains(strategy) {
          #expect(chunk.count <= settings.size)
        }
        if isLimited, ![ChunkingStrategy.none, .characters].contains(strategy), chunk.count > 1 {
          #expect((limit?.count(text.string(chunk)) ?? 0) <= 16, "\(strategy)")
        }
      }
      #expect(text.trimmed(covered..<text.count).isEmpty, "\(strategy)")
    }
  }

  // MARK: Markdown

  private static let manual = """
    ---
    title: Manual
    ---
    # Guide

    Intro text.

    ## Install

    ### Linux ###

    Run the script.

    ```sh
    # not a heading
    make install

    make test
    ```

    Then start it.

    第二章
    ======

    模型检索文档。
    """

  private func chunks(_ string: String, size: Int, overlap: Int = 0) -> [(String, String?)] {
    let text = ScalarText(string)
    let places = ChunkPlaces(text, format: "markdown", strategy: .markdown)
    return MarkdownChunker(size: size, overlap: overlap, limit: nil).chunks(of: text)
      .map { (text.string($0), places.heading(of: $0)) }
  }

  @Test func markdownIsCutAtHeadings() {
    let found = chunks(Self.manual, size: 200)
    #expect(found.map(\.1) == [nil, "Guide", "Guide > Install > Linux", "第二章"])
    #expect(found.map(\.0)[1] == "# Guide\n\nIntro text.")
    #expect(found[2].0.hasPrefix("## Install\n\n### Linux ###\n\nRun"))
    #expect(found[2].0.hasSuffix("Then start it."))
    #expect(found[3].0 == "第二章\n======\n\n模型检索文档。")
  }

  @Test func fencedCodeStaysWhole() {
    let found = chunks(Self.manual, size: 60)
    let code = "```sh\n# not a heading\nmake install\n\nmake test\n```"
    #expect(found.contains { $0.0 == code })
    #expect(found.filter { $0.0.contains("make") }.count == 1)
    // Unless it alone is too long: then between lines.
    let cut = chunks(Self.manual, size: 30).map(\.0).filter { $0.contains("make") }
    #expect(cut == ["make install\n\nmake test\n```"])
  }

  @Test func blocksOverlapWithinASection() {
    let found = chunks("# T\n\naaaa\n\nbbbb\n\ncccc\n\ndddd", size: 16, overlap: 5)
    #expect(found.map(\.0) == ["# T\n\naaaa\n\nbbbb", "bbbb\n\ncccc\n\ndddd"])
  }

  @Test(arguments: [
    ("# A #", "A"), ("####### B", nil), ("#C", nil), ("    # D", nil), ("```\n# E\n```", nil),
    ("F\n---", "F"), ("\n---\n", nil), ("#", nil), ("# G\n## \ntext", "G"),
    ("# I\n~~~\n# H\n~~~", "I"),
  ]) func headings(markdown: String, expected: String?) {
    let text = ScalarText(markdown)
    #expect(MarkdownBreadcrumbs(text).breadcrumb(of: 0..<text.count) == expected)
  }

  @Test func breadcrumbsOfAnyPlace() {
    let text = ScalarText("before\n# A\na\n## B\n\n## C\nc\n# D")
    let breadcrumbs = MarkdownBreadcrumbs(text)
    func crumb(_ range: Range<Int>) -> String? { breadcrumbs.breadcrumb(of: range) }
    #expect(crumb(0..<6) == nil && crumb(0..<text.count) == nil)
    #expect(crumb(7..<12) == "A" && crumb(11..<12) == "A")
    #expect(crumb(13..<17) == "A > B" && crumb(13..<text.count) == "A > C")
    #expect(crumb(24..<25) == "A > C" && crumb(text.count - 1..<text.count) == "D")
    #expect(MarkdownBreadcrumbs(ScalarText("")).breadcrumb(of: 0..<0) == nil)
  }

  // MARK: Places

  @Test func pagesEndInFormFeeds() {
    let text = ScalarText("one\u{0C}two\u{0C}\u{0C}four")
    let places = ChunkPlaces(text, format: "pdf", strategy: .sentences)
    #expect([0..<3, 4..<7, 9..<13].map(places.page) == [1, 2, 4])
    #expect(places.heading(of: 0..<3) == nil)
    #expect(ChunkPlaces(ScalarText("one"), format: nil, strategy: .none).page(of: 0..<3) == nil)
  }

  @Test func commentsOfCodeAreNoHeadings() {
    let text = ScalarText("# a comment\nx = 1")
    func heading(_ format: String?, _ strategy: ChunkingStrategy) -> String? {
      ChunkPlaces(text, format: format, strategy: strategy).heading(of: 0..<17)
    }
    #expect(heading("python", .code) == nil && heading("python", .markdown) == nil)
    #expect(heading("html", .sentences) == "a comment")
    // A text of which nothing is known is Markdown where it is cut as such.
    #expect(heading(nil, .sentences) == nil && heading(nil, .markdown) == "a comment")
    // So it is where a user's own metadata have a format.
    #expect(heading("hardcover", .sentences) == nil)
    #expect(heading("hardcover", .markdown) == "a comment")
  }

  @Test(arguments: SourceCodeExtractor.fileEndings + DelimitedExtractor.fileEndings)
  func extractedFormatsAreDecided(ending: String) throws {
    let source = DocumentSource(bytes: Array("x".utf8), fileName: "a.\(ending)")
    let document = try #require(try Extractors.documents(from: source).first)
    let format = try #require(document.metadata[ExtractedFormat.key]?.string)
    #expect(ExtractedFormat.hasHeadings(format) == false)
  }

  // MARK: Tokens

  @Test func tokensAreCountedByTheModel() {
    let limit = TokenLimit.words(maximum: 64)
    let text = ScalarText("one two three four five 六七八九十 eleven")
    let chunks = TokenChunker(size: 4, overlap: 1, limit: limit).chunks(of: text)
    #expect(
      chunks.map(text.string) == [
        "one two three four", "four five 六七", "七八九十", "十 eleven",
      ])
  }

  /// A model whose tokens span characters: cuts keep them together.
  @Test func tokensOfSeveralCharactersStayWhole() {
    let vocabulary: Set<String> = ["模型", "检索", "文档", "很好"]
    let limit = TokenLimit(maximum: 100) { string in
      var (count, rest) = (2, string[...])
      while !rest.isEmpty {
        rest = rest.dropFirst(vocabulary.contains(String(rest.prefix(2))) ? 2 : 1)
        count += 1
      }
      return count
    }
    let text = ScalarText("模型检索文档，模型很好。")
    let chunks = TokenChunker(size: 3, overlap: 0, limit: limit).chunks(of: text)
    #expect(chunks.map(text.string) == ["模型检索文档", "，模型很好", "。"])
  }

  // MARK: Meaning

  @Test func percentilesAreNumpys() {
    #expect(SemanticChunker.percentile(95, of: [1, 2, 3, 4]) == 3.849_999_999_999_999_6)
    #expect(SemanticChunker.percentile(50, of: [4, 1, 3, 2]) == 2.5)
    #expect(SemanticChunker.percentile(50, of: []) == .infinity)
  }

  @Test func textIsCutWhereItTurns() {
    let text = ScalarText("Cats purr. Cats nap. Cats play. 股票上涨。股票下跌。股票持平。")
    let chunker = SemanticChunker(size: 500, percentile: 80, limit: nil)
    let plan = chunker.plan(text)
    #expect(plan.windows.count == 6)
    #expect(plan.windows[0] == "Cats purr. Cats nap." && plan.windows[1].hasSuffix("Cats play."))
    let vectors: [[Float]] = [[1, 0], [1, 0], [1, 0.1], [0.1, 1], [0, 1], [0, 1]]
    let chunks = chunker.chunks(of: text, plan, vectors: vectors)
    #expect(chunks.map(text.string) == ["Cats purr. Cats nap. Cats play.", "股票上涨。股票下跌。股票持平。"])
  }
}

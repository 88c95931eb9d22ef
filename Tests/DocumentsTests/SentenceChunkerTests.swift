// Sentences of English and Chinese, the limits of size and tokens, and exact offsets.

import Testing

@testable import Documents

@Suite struct SentenceChunkerTests {
  private func sentences(_ string: String) -> [String] {
    let text = ScalarText(string)
    let ranges = SentenceBoundaries(text).sentences()
    #expect(ranges.map(text.string).joined() == string, "every scalar is in one sentence")
    return ranges.map { text.string(text.trimmed($0)) }
  }

  @Test(arguments: [
    ("It works. Does it? Yes!", ["It works.", "Does it?", "Yes!"]),
    ("Dr. Smith met J. R. Hartley. They left.", ["Dr. Smith met J. R. Hartley.", "They left."]),
    ("Pi is 3.14 or so. See Fig. 2 there.", ["Pi is 3.14 or so.", "See Fig. 2 there."]),
    ("He said \"Stop.\" Then he ran.", ["He said \"Stop.\"", "Then he ran."]),
    (
      "She asked \u{201C}Why?\u{201D} Nobody knew.",
      ["She asked \u{201C}Why?\u{201D}", "Nobody knew."]
    ),
    ("Use e.g. apples, i.e. fruit. Done.", ["Use e.g. apples, i.e. fruit.", "Done."]),
    ("The U.S. economy grew. It did.", ["The U.S. economy grew.", "It did."]),
    ("Wait... what? Oh.", ["Wait... what?", "Oh."]),
    ("1. First item\n2. Second item", ["1. First item", "2. Second item"]),
    ("A line that\nruns on here. End.", ["A line that\nruns on here.", "End."]),
    ("Title\n\nbody text", ["Title", "body text"]),
    ("Title\r\nBody text.", ["Title", "Body text."]),
    ("martlet.example.com is up. OK.", ["martlet.example.com is up.", "OK."]),
    ("no end", ["no end"]), ("", []),
  ]) func english(text: String, expected: [String]) {
    #expect(sentences(text) == expected)
  }

  @Test(arguments: [
    ("今天天气很好。我们去公园吧！好吗？", ["今天天气很好。", "我们去公园吧！", "好吗？"]),
    ("他说：“走吧。”然后他走了。", ["他说：“走吧。”", "然后他走了。"]),
    ("真的吗？！是的。", ["真的吗？！", "是的。"]),
    ("他想了想……没有说话；后来走了。", ["他想了想……", "没有说话；", "后来走了。"]),
    ("模型 v2.0 很快。Yes. 对。", ["模型 v2.0 很快。", "Yes.", "对。"]),
    ("第一行\n第二行", ["第一行", "第二行"]),
  ]) func chinese(text: String, expected: [String]) {
    #expect(sentences(text) == expected)
  }

  /// Each of these took hours where every scalar had its run, or its sentence, looked at anew.
  @Test(arguments: ["x.\"", ".", ".)", "\r", "a\"b.'c", "?!x"])
  func textsWithoutSentencesTakeOneLook(piece: String) {
    let text = String(repeating: piece, count: 200_000) + "x"
    #expect(SentenceBoundaries(ScalarText(text)).sentences().count == 1)
  }

  /// What follows a run of terminators is looked at once, too.
  @Test(arguments: [".", "…", "?!", "!..."])
  func longBlanksBehindTerminatorsAreReadOnce(run: String) {
    let blanks = String(repeating: " \t", count: 100_000)
    let text = String(repeating: run, count: 200_000) + blanks + "x"
    #expect(SentenceBoundaries(ScalarText(text)).sentences().count == 1)
  }

  private static let story = """
    The martlet is a bird without feet. It never lands! Naïve readers ask: why? Because re\u{301}sume\u{301}s \
    say so. 👩‍👩‍👧 families like it. 模型很好。检索文档很快！它们都在这里。

    A new paragraph begins here, with a rather long sentence that has commas, clauses, and more of \
    them, until it ends. Short one. Another short one.
    """

  @Test(arguments: [20, 45, 80, 200, 1000], [0, 15, 40])
  func chunksAreExactSlicesWithinTheSize(size: Int, overlap: Int) {
    guard overlap < size else { return }
    let text = ScalarText(Self.story)
    let chunks = SentenceChunker(size: size, overlap: overlap, limit: nil).chunks(of: text)
    #expect(!chunks.isEmpty)
    for chunk in chunks {
      #expect(!chunk.isEmpty && chunk.count <= size)
      #expect(text.trimmed(chunk) == chunk)
    }
    for (previous, next) in zip(chunks, chunks.dropFirst()) {
      #expect(previous.lowerBound < next.lowerBound && previous.upperBound < next.upperBound)
      let gap = previous.upperBound..<max(previous.upperBound, next.lowerBound)
      #expect(text.trimmed(gap).isEmpty, "only white space is between chunks")
      #expect(previous.upperBound - next.lowerBound <= overlap)
    }
    #expect(text.trimmed(0..<chunks[0].lowerBound).isEmpty)
    #expect(text.trimmed(chunks[chunks.count - 1].upperBound..<text.count).isEmpty)
  }

  @Test func overlapRepeatsWholeSentences() {
    let text = ScalarText("One two. Three four. Five six. Seven eight.")
    let chunks = SentenceChunker(size: 22, overlap: 12, limit: nil).chunks(of: text)
    #expect(
      chunks.map(text.string) == [
        "One two. Three four.", "Three four. Five six.", "Five six. Seven eight.",
      ])
  }

  @Test func chunksEndBeforeTheTokenLimit() {
    let limit = TokenLimit.words(maximum: 12)
    let text = ScalarText(Self.story)
    for strategy in [ChunkingStrategy.sentences, .recursive] {
      var settings = ChunkingSettings()
      settings.strategy = strategy
      let chunks = settings.chunker(limit: limit).chunks(of: text)
      #expect(chunks.count > 5)
      for chunk in chunks {
        #expect(limit.count(text.string(chunk)) <= 12, "\(text.string(chunk))")
      }
      let kept = chunks.reduce(into: Set<Int>()) { $0.formUnion($1) }
      for index in 0..<text.count where !text.scalars[index].isTrimmed {
        #expect(kept.contains(index))
      }
    }
  }

  @Test func aWordThatIsTooLongIsCutBetweenCharacters() {
    let word = String(repeating: "e\u{301}", count: 30)
    let text = ScalarText(word)
    let chunks = SentenceChunker(size: 7, overlap: 0, limit: nil).chunks(of: text)
    #expect(chunks.map(text.string).joined() == word)
    #expect(chunks.allSatisfy { text.scalars[$0.lowerBound] == "e" })
  }

  @Test func noneKeepsADocumentWhole() {
    let text = ScalarText("  a. b.\n\nc ")
    #expect(WholeDocumentChunker().chunks(of: text).map(text.string) == ["a. b.\n\nc"])
    #expect(WholeDocumentChunker().chunks(of: ScalarText(" \n")).isEmpty)
  }
}

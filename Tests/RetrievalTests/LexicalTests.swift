// How text is cut for FTS5, and that no query can break its syntax.

import Glibc
import Testing

@testable import Retrieval

@Suite struct LexicalTests {
  private func words(_ text: String) -> [String] {
    LexicalAnalyzer.indexedText(text).split(separator: " ").map(String.init)
  }

  @Test func ideographsBecomePairs() {
    #expect(words("训练模型v2 ok") == ["训练", "练模", "模型", "型", "v2", "ok"])
    #expect(words("大") == ["大"])
    #expect(words("ＡＢＣ１２") == ["ABC12"])
    #expect(words("a\u{0}b") == ["a", "b"])
  }

  @Test func queriesAreCutTheSameWay() {
    #expect(LexicalQuery("模型训练", language: "zh").terms == ["模型", "型训", "训练"])
    #expect(LexicalQuery("型", language: "zh").matchExpression == "\"型\" *")
    #expect(LexicalQuery("GPT-4 模型", language: "en").terms == ["GPT", "4", "模型"])
    #expect(LexicalQuery("?! 👍 \"", language: "en").matchExpression == nil)
  }

  @Test func stopWordsAreDroppedWhereOthersRemain() {
    #expect(
      LexicalQuery("What is the capital of France?", language: "en").terms
        == ["capital", "France"])
    #expect(LexicalQuery("to be or not to be", language: "en").terms.count == 6)
    #expect(LexicalQuery("the die", language: "de").terms == ["the", "die"])
    #expect(LexicalQuery("test test", language: "en").terms == ["test", "test"])
  }

  @Test func longQueriesAreCut() {
    let query = LexicalQuery(String(repeating: "word ", count: 5000), language: "en")
    #expect(query.terms.count == LexicalQuery.maximumTerms)
  }

  @Test(arguments: [
    "\"", "a\"b", "a AND", "NOT", "OR OR", "NEAR(a b)", "a*", "^a", "words:a", "(", "a + b", "-a",
    "'; DROP TABLE chunks; --", "\u{0}", "{a b}: c", "\\", "💥", "a\u{301}", "\u{301}",
  ]) func queryTextNeverBreaksTheSyntax(query: String) async throws {
    let test = try await TestStore()
    try await test.put(["1": "a b c words NEAR AND OR NOT 💥 á DROP TABLE chunks"])
    _ = try await test.search(query, mode: .sparse)
  }

  @Test func randomQueriesNeverBreakTheSyntax() async throws {
    let test = try await TestStore()
    try await test.put(["1": "alpha beta 模型 gamma"])
    var random = SeededRandom(seed: 7)
    let alphabet = Array("ab\"'*^:()+-{}模型 \t\n\\ANDORNOT.,\u{301}é👩‍👩‍👧\u{200D}".unicodeScalars)
    for _ in 0..<300 {
      var view = String.UnicodeScalarView()
      for _ in 0..<Int.random(in: 1...20, using: &random) {
        view.append(alphabet.randomElement(using: &random) ?? " ")
      }
      let query = "x" + String(view)
      _ = try await test.search(query, mode: .sparse)
    }
  }
}

@Suite struct SparseSearchTests {
  @Test func chineseWordsAreFound() async throws {
    let test = try await TestStore()
    try await test.put([
      "a": "大语言模型可以回答问题。", "b": "今天的天气很好。", "c": "向量检索 and BM25 hybrid 搜索引擎。",
    ])
    func found(_ query: String) async throws -> [String] {
      try await test.search(query, mode: .sparse).map(\.documentID)
    }
    #expect(try await found("模型") == ["a"])
    #expect(try await found("天气") == ["b"])
    #expect(try await found("型") == ["a"])
    #expect(try await found("题") == ["a"])
    #expect(try await found("好") == ["b"])
    #expect(try await found("BM25搜索") == ["c"])
    #expect(try await found("ｂｍ２５") == ["c"])
    #expect(try await found("火车") == [])
    #expect(try await found("气天") == [])
  }

  @Test func englishIsStemmedAndAccentsAreFolded() async throws {
    let test = try await TestStore()
    try await test.put(["a": "Retrieving documents quickly", "b": "Le café était naïf"])
    #expect(try await test.search("retrieve document", mode: .sparse).map(\.documentID) == ["a"])
    #expect(try await test.search("CAFE naif", mode: .sparse).map(\.documentID) == ["b"])
  }

  @Test func otherLanguagesAreNotStemmed() async throws {
    let test = try await TestStore()
    var update = CollectionSettingsUpdate()
    update.language = "de"
    _ = try await test.store.putCollection("german", update)
    try await test.put(["a": "Häuser und Gärten"], in: "german")
    func found(_ query: String) async throws -> Int {
      try await test.search(query, mode: .sparse) { $0.collection = "german" }.count
    }
    #expect(try await found("hauser") == 1)
    #expect(try await found("haus") == 0)
  }

  /// Okapi BM25 as FTS5 computes it, by hand for one word.
  @Test func scoresAreBM25() async throws {
    let test = try await TestStore()
    try await test.put([
      "a": "apple banana cherry", "b": "apple", "c": "durian elder fig", "d": "x y",
    ])
    let results = try await test.search("banana", mode: .sparse)
    let idf = log((4 - 1 + 0.5) / (1 + 0.5))
    let average = 9.0 / 4
    let expected = idf * (1 * 2.2) / (1 + 1.2 * (0.25 + 0.75 * 3 / average))
    #expect(results.count == 1)
    #expect(abs(results[0].score - expected) < 1e-9)
    #expect(results[0].scores.sparse == results[0].score)
    #expect(results[0].scores.dense == nil && results[0].scores.fused == nil)
  }

  @Test func collectionsDontShareStatistics() async throws {
    let test = try await TestStore()
    _ = try await test.store.putCollection("other")
    try await test.put(["a": "apple banana", "b": "cherry", "c": "durian"])
    let before = try await test.search("apple", mode: .sparse)
    try await test.put(["x": "apple", "y": "apple apple", "z": "apple pie"], in: "other")
    #expect(try await test.search("apple", mode: .sparse) == before)
  }
}

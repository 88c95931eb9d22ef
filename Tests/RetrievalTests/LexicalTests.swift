// Searches for words through the facade, and that no query can break the syntax.

import Documents
import Fuzzing
import Glibc
import SearchIndex
import Testing

@testable import Retrieval

@Suite struct LexicalTests {
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

  @Test func otherLanguagesHaveTheirOwnStems() async throws {
    let test = try await TestStore()
    var update = CollectionSettingsUpdate()
    update.language = "de"
    _ = try await test.store.putCollection("german", update)
    try await test.put(["a": "Häuser und Gärten"], in: "german")
    func found(_ query: String) async throws -> Int {
      try await test.search(query, mode: .sparse) { $0.collection = "german" }.count
    }
    #expect(try await found("hauser") == 1)
    #expect(try await found("haus") == 1)
    #expect(try await found("garte") == 1)
  }

  /// Okapi BM25, by hand for one word.
  @Test func scoresAreBM25() async throws {
    let test = try await TestStore()
    try await test.put([
      "a": "apple banana cherry", "b": "apple", "c": "durian elder fig", "d": "x y",
    ])
    let results = try await test.search("banana", mode: .sparse)
    let idf = log(1 + (4 - 1 + 0.5) / (1 + 0.5))
    let average = 9.0 / 4
    let expected = idf * (1 * 2.2) / (1 + 1.2 * (0.25 + 0.75 * 3 / average))
    #expect(results.count == 1)
    #expect(abs(results[0].score - expected) < 1e-6)
    #expect(results[0].scores.sparse == results[0].score)
    #expect(results[0].scores.dense == nil && results[0].scores.fused == nil)
  }

  @Test func changedDocumentsAreFoundByWhatTheySayNow() async throws {
    let test = try await TestStore()
    func found(_ query: String) async throws -> [String] {
      try await test.search(query, mode: .sparse).map(\.documentID)
    }
    try await test.put(["a": "old words", "b": "other words"])
    try await test.put(["a": "new words"])
    #expect(try await found("old").isEmpty)
    #expect(try await found("new") == ["a"])
    try await test.store.deleteDocument("b", in: "default")
    #expect(try await found("words") == ["a"])
    #expect(try await found("\"new words\" oth*") == ["a"])
  }

  /// An index that saw many changes, swept on the way, finds what a new one does.
  @Test func historiesDontShow() async throws {
    let directory = try TemporaryDirectory()
    let index = try await indexWithHistory(in: directory)
    #expect(index.words.rowCount == index.rowCount && index.rowCount < 3000)
    try directory.write([], to: "indexes/1.index")
    let reopened = try await openStore(in: directory)
    let fresh = try #require(reopened.indexes.current(index.collection))
    #expect(fresh.rowCount == index.liveRowCount && fresh.words.rowCount == fresh.rowCount)
    let live = try index.words.keeping(index.liveRows)
    for query in ["w1", "w2 w3 w4", "\"w1 w2\"", "w3*"] {
      let query = LexicalQuery(query, language: "en")
      #expect(
        LexicalSearch(query, in: live, mask: nil).top(50)
          == LexicalSearch(query, in: fresh.words, mask: nil).top(50))
    }
  }

  /// The index of a store that changed many times and was closed.
  private func indexWithHistory(in directory: TemporaryDirectory) async throws -> CollectionIndex {
    let store = try await openStore(in: directory)
    var random = SeededRandom(seed: 21)
    for _ in 0..<12 {
      let batch = (0..<400).map { _ in
        DocumentInput(
          id: "\(Int.random(in: 0..<600, using: &random))",
          text: (0..<8).map { _ in "w\(Int.random(in: 0..<40, using: &random))" }
            .joined(separator: " "))
      }
      let unique = Dictionary(batch.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
      _ = try await store.putDocuments(Array(unique.values), in: "default")
    }
    let record = try await store.database.read { try CollectionRecord.require("default", $0) }
    let index = try #require(store.indexes.current(record.id))
    try await store.close()
    return index
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

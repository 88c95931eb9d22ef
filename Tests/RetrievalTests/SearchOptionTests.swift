// What a request can ask for beyond the best chunks, through the facade, in English and Chinese.

import Documents
import JSON
import Testing

@testable import Retrieval

@Suite struct SearchOptionTests {
  private func store(_ documents: [(id: String, text: String, metadata: JSONObject)]) async throws
    -> TestStore
  {
    let test = try await TestStore()
    _ = try await test.store.putDocuments(
      documents.map { DocumentInput(id: $0.id, text: $0.text, metadata: $0.metadata) },
      in: "default")
    return test
  }

  // MARK: Boosts

  private func titled() async throws -> TestStore {
    try await store([
      ("text", "The harbour and its cranes. 港口和起重机。", ["title": "Trains", "tags": ["铁路"]]),
      (
        "title", "Ships arrive every day. 船每天到达。", ["title": "The Harbour", "tags": ["港口", "sea"]]
      ),
      ("none", "Cats sleep all day. 猫整天睡觉。", ["title": "Animals", "names": ["x": "港口"]]),
      ("untitled", "Nothing here. 这里什么都没有。", [:]),
    ])
  }

  @Test(arguments: [("harbours", "title"), ("港口", "tags")])
  func fieldsCountAsMuchAsTheyAreBoosted(query: String, field: String) async throws {
    let test = try await titled()
    func found(_ weight: Double) async throws -> [RetrievedChunk] {
      try await test.search(query, mode: .sparse) {
        $0.boosts = [FieldBoost(key: field, weight: weight)]
      }
    }
    #expect(try await test.search(query, mode: .sparse).map(\.documentID) == ["text"])
    #expect(try await found(0).map(\.documentID) == ["text"])
    #expect(try await found(0.1).map(\.documentID) == ["text", "title"])
    let boosted = try await found(10)
    #expect(boosted.map(\.documentID) == ["title", "text"])
    #expect(boosted[0].score == boosted[0].scores.sparse)
    let twice = try await found(20)
    #expect(abs(twice[0].score - 2 * boosted[0].score) < 1e-9)
    let hybrid = try await test.search(query) {
      $0.boosts = [FieldBoost(key: field, weight: 10)]
    }
    #expect(hybrid[0].documentID == "title" && hybrid[0].scores.sparse == boosted[0].score)
  }

  @Test func boostedFieldsFollowTheirDocuments() async throws {
    let test = try await titled()
    func found(_ query: String, _ key: String = "title") async throws -> [String] {
      try await test.search(query, mode: .sparse) {
        $0.boosts = [FieldBoost(key: key, weight: 5)]
      }.map(\.documentID)
    }
    #expect(try await found("港口", "names.x") == ["none", "text"])
    #expect(try await found("animals") == ["none"])
    _ = try await test.store.patchDocument("none", metadata: ["title": "动物"], in: "default")
    #expect(try await found("animals").isEmpty)
    #expect(try await found("动物") == ["none"])
    try await test.store.deleteDocument("none", in: "default")
    #expect(try await found("动物").isEmpty)
    _ = try await test.store.putDocuments(
      [DocumentInput(id: "new", text: "x", metadata: ["title": "新动物"])], in: "default")
    #expect(try await found("动物") == ["new"])
    let filtered = try await test.search("港口", mode: .sparse) {
      $0.boosts = [FieldBoost(key: "tags", weight: 5)]
      $0.filter = .comparison(.eq, key: "title", value: "Trains")
    }
    #expect(filtered.map(\.documentID) == ["text"])
  }

  // MARK: Repetitions

  @Test(arguments: RetrievalMode.allCases)
  func repetitionsAreLeftOut(mode: RetrievalMode) async throws {
    let test = try await store([
      ("a", "red apple pie", [:]), ("b", "Red apple, pie!", [:]), ("c", "apple orchard", [:]),
      ("d", "红苹果派很好吃", [:]), ("e", "红苹果派，很好吃。", [:]), ("f", "苹果园", [:]),
    ])
    for (query, first, other) in [("red apple pie", "a", "c"), ("红苹果派", "d", "f")] {
      let found = try await test.search(query, mode: mode, topK: 2) {
        $0.deduplication = Deduplication()
      }
      #expect(found.map(\.documentID) == [first, other], "\(query)")
      let all = try await test.search(query, mode: mode, topK: 2)
      #expect(Set(all.map(\.documentID)).isDisjoint(with: [other]))
    }
  }

  @Test func documentsDontCrowdOutOthers() async throws {
    let test = try await TestStore()
    try await putSections(test)
    for query in ["tea", "茶"] {
      let crowded = try await test.search(query, mode: .sparse, topK: 3)
      #expect(Set(crowded.map(\.documentID)) == ["tea"], "\(query)")
      let spread = try await test.search(query, mode: .sparse, topK: 3) {
        $0.maximumPerDocument = 1
      }
      #expect(spread.map(\.documentID).sorted() == ["other", "tea"])
    }
  }

  /// More chunks of one document than are looked at first, all better than the others'.
  @Test(arguments: RetrievalMode.allCases, [true, false])
  func longDocumentsDontCrowdOutOthersEither(mode: RetrievalMode, isDeduplicated: Bool) async throws
  {
    let test = try await TestStore()
    var update = CollectionSettingsUpdate()
    update.strategy = .characters
    (update.size, update.overlap) = (10, 0)
    _ = try await test.store.putCollection("default", update)
    let long = Array(repeating: "tea tea 茶", count: 300).joined(separator: "\n\n")
    let others = (0..<3).map { ("o\($0)", "a word \(Array("xyz")[$0]) beside tea and 茶 \($0)") }
    try await test.put(Dictionary(uniqueKeysWithValues: [("long", long)] + others))
    for query in ["tea", "茶"] {
      let found = try await test.search(query, mode: mode, topK: 3) {
        if isDeduplicated { $0.deduplication = Deduplication() } else { $0.maximumPerDocument = 1 }
      }
      #expect(found.count == 3 && Set(found.map(\.documentID)).count == 3, "\(query)")
    }
    let none = try await test.search("tea", mode: mode, topK: 3) {
      $0.maximumPerDocument = 1
      $0.minimumScore = 1000
    }
    #expect(none.isEmpty)
  }

  @Test func diversityAnswersAsManyAsAreAskedFor() async throws {
    let test = try await titled()
    let found = try await test.search("day", topK: 4) {
      $0.mmr = MaximalMarginalRelevance(fetchCount: 1)
    }
    #expect(found.count == 4)
  }

  // MARK: Context

  private static let teaText = """
    # Drinks

    Tea tea tea is hot.

    ## Green

    Green tea tea tea is brewed cooler.

    Its tea leaves are 绿茶.

    ## 红茶

    红茶 茶 茶 需要 沸水。

    ## Coffee

    Coffee is another thing.
    """

  /// One chunk per paragraph.
  private func putSections(_ test: TestStore) async throws {
    var update = CollectionSettingsUpdate()
    update.strategy = .characters
    update.size = 15
    update.overlap = 0
    _ = try await test.store.putCollection("default", update)
    let other = "A long list of many things that nobody ever reads, with tea and 茶 in it."
    try await test.put(["tea": Self.teaText, "other": other])
  }

  private func context(_ query: String, _ expansion: Expansion) async throws -> ChunkContext {
    let test = try await TestStore()
    try await putSections(test)
    let found = try await test.search(query, mode: .sparse, topK: 1) { $0.expansion = expansion }
    let result = try #require(found.first)
    let context = try #require(result.context)
    let stored = Array(Self.teaText.unicodeScalars)
    #expect(stored[context.start..<context.end].elementsEqual(context.text.unicodeScalars))
    #expect(context.start <= result.start && context.end >= result.end)
    #expect(result.passage == context.text && result.json["context"]?["start"] != nil)
    return context
  }

  @Test func neighboursAreAdded() async throws {
    let one = try await context("brewed cooler", Expansion(.chunks))
    #expect(one.text == "## Green\n\nGreen tea tea tea is brewed cooler.\n\nIts tea leaves are 绿茶.")
    let chinese = try await context("沸水", Expansion(.chunks))
    #expect(chinese.text == "## 红茶\n\n红茶 茶 茶 需要 沸水。\n\n## Coffee")
    #expect(try await context("沸水", Expansion(.chunks, count: 20)).text == Self.teaText)
  }

  @Test func sectionsAndDocumentsAreAdded() async throws {
    let green = try await context("brewed cooler", Expansion(.section))
    #expect(green.text.hasPrefix("## Green") && green.text.hasSuffix("绿茶.\n\n"))
    let chinese = try await context("沸水", Expansion(.section))
    #expect(chinese.text == "## 红茶\n\n红茶 茶 茶 需要 沸水。\n\n")
    #expect(try await context("hot", Expansion(.section)).text == Self.teaText, "the top heading's")
    #expect(try await context("沸水", Expansion(.document)).text == Self.teaText)
    let some = try await context("沸水", Expansion(.document, maximumSize: 40))
    #expect(some.text.unicodeScalars.count == 40)
    #expect(try await context("沸水", Expansion(.document, maximumSize: 1)).text == "红茶 茶 茶 需要 沸水。")
  }

  @Test func sectionsOfTexts() {
    func section(_ text: String, _ part: String, format: String? = nil) -> String? {
      let text = ScalarText(text)
      let wanted = Array(part.unicodeScalars)
      let start = text.scalars.indices.first {
        text.scalars[$0...].starts(with: wanted)
      }
      guard let start else { return nil }
      return text.string(
        TextSections(text, format: format).section(around: start..<start + wanted.count))
    }
    #expect(section("一。\n\n二。三。\n \n四。", "三。") == "二。三。")
    #expect(section("one\n\ntwo\nthree\n\nfour", "one") == "one")
    #expect(section("one\n\ntwo\nthree\n\nfour", "two\nthree\n\nf") == "two\nthree\n\nfour")
    #expect(section("before\n# A\na\n### B\nb\n# C\nc", "a\n") == "# A\na\n### B\nb\n")
    #expect(section("before\n# A\na\n### B\nb\n# C\nc", "b\n") == "### B\nb\n")
    #expect(section("before\n# A\na", "before") == "before\n")
    #expect(
      section("# A\n```\n# no heading\n```\nx\n#none\ny", "y")
        == "# A\n```\n# no heading\n```\nx\n#none\ny")
    #expect(section("all of it", "of") == "all of it")
    #expect(section("A\n===\na\n\nB\n---\nb\n~~~\n# c\n~~~", "# c") == "B\n---\nb\n~~~\n# c\n~~~")
    // Comments of source code are no headings.
    let code = "# one\na = 1\n\n# two\nb = 2"
    #expect(section(code, "a = 1") == "# one\na = 1\n\n")
    #expect(section(code, "a = 1", format: "python") == "# one\na = 1")
    #expect(section(code, "a = 1\n\n# two", format: "python") == code)
    // A word that no extractor writes says nothing.
    #expect(section(code, "a = 1", format: "hardcover") == "# one\na = 1\n\n")
  }

  @Test func sectionsOfADocumentAreFoundOnce() async throws {
    let test = try await TestStore()
    try await test.put(["code": "# one\na = 1\n\n# two\nb = 2"])
    let found = try await test.store.database.read { database in
      var context = PassageContext(Expansion(.section), database)
      let (document, chunk) = (Int64(1), ChunkRecord(ordinal: 0, start: 6, end: 11, text: "a = 1"))
      // Were they found again, the other format would change them.
      return try ["markdown", "python"].map {
        try context.around(chunk, ofDocument: document, format: $0)?.text
      }
    }
    #expect(found == ["# one\na = 1\n\n", "# one\na = 1\n\n"])
  }

  @Test func contextsAreLimitedAroundTheirChunk() {
    func limited(_ range: Range<Int>, _ own: Range<Int>, _ size: Int) -> Range<Int> {
      PassageContext.limited(range, around: own, to: size)
    }
    #expect(limited(0..<100, 40..<50, 30) == 30..<60)
    #expect(limited(0..<100, 0..<10, 30) == 0..<30)
    #expect(limited(0..<100, 95..<100, 30) == 70..<100)
    #expect(limited(0..<100, 40..<50, 5) == 40..<50)
    #expect(limited(42..<48, 40..<50, 500) == 40..<50)
  }

  // MARK: Explanation

  @Test(arguments: ["\"salted water\" boil* basil basil", "\"咸的水\" 煮 罗勒"], FusionMethod.allCases)
  func partsAddUp(query: String, fusion: FusionMethod) async throws {
    let test = try await store([
      (
        "en", "Boil the pasta in salted water; boiling takes long. Basil.", ["title": "Basil pasta"]
      ),
      ("zh", "意面在咸的水里煮。加罗勒。", ["title": "罗勒意面"]),
      ("mix", "Water and 水.", [:]), ("far", "Nothing alike.", [:]),
    ])
    let found = try await test.search(query) {
      $0.explain = true
      $0.fusion = fusion
      $0.boosts = [FieldBoost(key: "title", weight: 2)]
    }
    #expect(found.count == 4)
    for result in found {
      let explanation = try #require(result.explanation)
      let (dense, sparse) = (explanation["dense"], explanation["sparse"])
      func number(_ side: JSONValue?, _ key: String) -> Double { side?[key]?.double ?? 0 }
      let sum = number(dense, "contribution") + number(sparse, "contribution")
      #expect(sum == result.score)
      if fusion == .minmax {
        #expect(
          number(dense, "normalized") * number(dense, "weight") == number(dense, "contribution"))
        #expect(abs(number(dense, "weight") + number(sparse, "weight") - 1) < 1e-12)
      }
      #expect(dense?["score"]?.double == result.scores.dense)
      let terms = (sparse?["terms"]?.array ?? []).map { number($0, "score") }
      let fields = (sparse?["fields"]?.array ?? []).map { number($0, "contribution") }
      let words = (terms + fields).reduce(0, +)
      #expect(abs(words - (result.scores.sparse ?? 0)) < 1e-9)
    }
    let first = try #require(found[0].explanation?["sparse"])
    #expect(found[0].documentID == (query.contains("咸") ? "zh" : "en"))
    let terms = (first["terms"]?.array ?? []).compactMap { $0["term"]?.string }
    #expect(
      terms
        == (query.contains("咸")
          ? ["\"咸的 的水\"", "煮*", "罗勒"] : ["\"salt water\"", "boil*", "basil"]))
    #expect(first["fields"]?[0]?["field"] == "title")
    #expect(first["fields"]?[0]?["contribution"]?.double ?? 0 > 0)
  }

  @Test func diversityIsExplained() async throws {
    let test = try await store([("a", "apple pie", [:]), ("b", "苹果派", [:])])
    let found = try await test.search("apple 苹果", topK: 2) {
      $0.explain = true
      $0.mmr = MaximalMarginalRelevance()
    }
    #expect(found[0].explanation?["mmr"]?["likeness"]?.double == 0)
    #expect(found[1].explanation?["mmr"]?["relevance"]?.double != nil)
  }

  // MARK: Thresholds, filters, several queries

  @Test(arguments: [["tea", "coffee"], ["绿茶", "咖啡"]], RetrievalMode.allCases)
  func queriesFiltersAndThresholdsTogether(queries: [String], mode: RetrievalMode) async throws {
    let days: [(String, JSONValue)] = [
      ("早", "2024-05-01T23:30:00+08:00"), ("中", "2024-05-02"), ("晚", "2024-05-03T00:00:00Z"),
    ]
    let test = try await store(
      days.map { name, day in
        (
          "\(name)", "Green tea and coffee \(name). 绿茶和咖啡\(name)。",
          ["日期": day, "类别": ["饮料", .string(name)]]
        )
      })
    func ids(_ filter: Filter, minimum: Double? = nil) async throws -> [[String]] {
      var request = RetrievalRequest(.queries(queries))
      request.mode = mode
      request.filter = filter
      request.minimumScore = minimum
      return try await test.store.retrieve(request).results.map { $0.map(\.documentID).sorted() }
    }
    let later = Filter.comparison(.gt, key: "日期", value: "2024-05-01T16:00:00Z")
    #expect(try await ids(later) == [["中", "晚"], ["中", "晚"]])
    let evening = Filter.and([later, .comparison(.contains, key: "类别", value: "晚")])
    #expect(try await ids(evening) == [["晚"], ["晚"]])
    #expect(try await ids(.not(evening)) == [["中", "早"], ["中", "早"]])
    #expect(try await ids(later, minimum: 1000) == [[], []])
  }

  /// A snapshot may hold rows of documents that are gone: those after them keep their metadata.
  @Test func filtersHoldAfterARestart() async throws {
    let directory = try TemporaryDirectory()
    func found(_ store: DocumentStore, _ n: Int64) async throws -> [String] {
      var request = RetrievalRequest(.query("text 文"))
      request.filter = .comparison(.eq, key: "n", value: .integer(n))
      request.boosts = [FieldBoost(key: "title", weight: 1)]
      return try await store.retrieve(request).results[0].map(\.documentID)
    }
    func open() async throws -> DocumentStore { try await openStore(in: directory) }
    func change() async throws {
      let store = try await open()
      for n in 0..<9 {
        let document = DocumentInput(
          id: "\(n)", text: "text \(n) 文", metadata: ["n": .integer(Int64(n)), "title": "text"])
        _ = try await store.putDocuments([document], in: "default")
      }
      for n in [0, 1, 4] { try await store.deleteDocument("\(n)", in: "default") }
      try await store.close()
    }
    try await change()
    let store = try await open()
    #expect(try await found(store, 1).isEmpty)
    for n in [2, 3, 5, 8] { #expect(try await found(store, Int64(n)) == ["\(n)"]) }
    _ = try await store.patchDocument("8", metadata: ["n": 77], in: "default")
    #expect(try await found(store, 77) == ["8"])
  }

  // MARK: Phrases and beginnings

  @Test func phrasesAndBeginningsInBothLanguages() async throws {
    let test = try await store([
      ("en1", "the quick brown fox", [:]), ("en2", "brown the quick dog; foxes", [:]),
      ("zh1", "机器学习模型", [:]), ("zh2", "学习机器的模型", [:]),
    ])
    func found(_ query: String) async throws -> [String] {
      try await test.search(query, mode: .sparse).map(\.documentID).sorted()
    }
    #expect(try await found("\"quick brown\"") == ["en1"])
    #expect(try await found("\"brown quick\"").isEmpty)
    #expect(try await found("fo*") == ["en1", "en2"])
    #expect(try await found("\"机器学习\"") == ["zh1"])
    #expect(try await found("\"学习机器\"") == ["zh2"])
    #expect(try await found("模型") == ["zh1", "zh2"])
  }
}

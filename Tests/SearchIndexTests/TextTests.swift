// How texts and queries are cut into what is looked up.

import Testing

@testable import SearchIndex

@Suite struct TextTests {
  private func pieces(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    return TextScanner.pieces(of: bytes).map { piece in
      let (mark, range) =
        switch piece {
        case .word(let range): ("", range)
        case .code(let range): ("#", range)
        case .ideographs(let range): ("=", range)
        }
      return mark + String(decoding: bytes[range], as: UTF8.self)
    }
  }

  @Test func textIsCutIntoWordsRunsAndCodes() {
    #expect(pieces("训练模型v2 ok") == ["=训练模型", "v2", "ok"])
    #expect(pieces("GPT-4, v2.1!") == ["#GPT-4", "GPT", "4", "#v2.1", "v2", "1"])
    #expect(pieces("on 2026-11-25.") == ["on", "#2026-11-25", "2026", "11", "25"])
    #expect(
      pieces("well-known e.g. a--1 it's") == ["well", "known", "e", "g", "a", "1", "it", "s"])
    #expect(pieces("a\u{0}b 👍 ?!") == ["a", "b"])
    #expect(pieces("Häuser 1٣ e\u{301}") == ["Häuser", "1٣", "e\u{301}"])
    #expect(pieces("-").isEmpty && pieces("").isEmpty)
  }

  private func term(_ word: String, _ language: String = "en") -> String {
    String(decoding: WordStemmer(language: language).term(word.utf8), as: UTF8.self)
  }

  @Test func wordsAreStemmedAndFolded() {
    #expect(term("Retrieving") == "retriev" && term("generously") == "generous")
    #expect(term("E1234s") == "e1234s", "codes keep their endings")
    #expect(term("CAFÉS") == "cafe" && term("ｂｍ２５") == "bm25" && term("ﬁnd") == "find")
    #expect(term("Häuser", "de") == "haus" && term("hauser", "de-AT") == "haus")
    #expect(term("Häuser", "xx") == "hauser")
    #expect(term("\u{301}").isEmpty)
    #expect(term(String(repeating: "é", count: 100)).utf8.count == 32)
  }

  private func clauses(_ text: String, _ language: String = "en") -> [String] {
    LexicalQuery(text, language: language).clauses.map { weighed in
      let text =
        switch weighed.clause {
        case .word(let word): String(decoding: word, as: UTF8.self)
        case .prefix(let start, _): String(decoding: start, as: UTF8.self) + "*"
        case .phrase(let words):
          words.map { "\(String(decoding: $0.term, as: UTF8.self))@\($0.offset)" }
            .joined(separator: " ")
        }
      return weighed.count == 1 ? text : "\(text)^\(weighed.count)"
    }
  }

  @Test func queriesAreCutLikeTexts() {
    #expect(clauses("模型训练", "zh") == ["模型", "型训", "训练"])
    #expect(clauses("型", "zh") == ["型*"])
    #expect(clauses("GPT-4 模型") == ["gpt-4", "gpt", "4", "模型"])
    #expect(clauses("?! 👍 \"").isEmpty)
    #expect(clauses("test tests thing") == ["test^2", "thing"])
  }

  @Test func stopWordsAreDroppedWhereOthersRemain() {
    #expect(clauses("What is the capital of France?") == ["capit", "franc"])
    #expect(clauses("the who") == ["the", "who"])
    #expect(clauses("the die", "de") == ["the", "die"])
    #expect(LexicalQuery(String(repeating: "a1 ", count: 9), language: "en").clauses.count == 1)
    let long = (0..<5000).map { "w\($0)" }.joined(separator: " ")
    #expect(LexicalQuery(long, language: "en").clauses.count == LexicalQuery.maximumClauses)
  }

  @Test func phrasesAndBeginnings() {
    #expect(clauses("\"to be or not\"") == ["to@0 be@1 or@2 not@3"])
    #expect(clauses("say \"red apples\" twice") == ["say", "red@0 appl@1", "twice"])
    #expect(clauses("\"模型图 v2\"") == ["模型@0 型图@1 v2@3"])
    #expect(clauses("\"apple\" \"\" 5\" wide \"open") == ["appl", "5", "wide", "open"])
    #expect(clauses("retriev* a*b **bold** *c") == ["retriev*", "b", "bold", "c"])
  }

  @Test func byteStringsAreNumberedInOrder() {
    var table = ByteStringTable()
    for number in 0..<1000 {
      let string = Array("word \(number % 500)".utf8)
      let found = string.withUnsafeBufferPointer { table.number(of: $0) }
      #expect(found.number == number % 500 && found.isNew == (number < 500))
    }
    #expect(table.count == 500 && Array(table[7]) == Array("word 7".utf8))
  }
}

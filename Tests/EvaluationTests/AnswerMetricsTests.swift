// Scores of answers against the reference implementations; scripts/fixtures/answers.py made the file.

import Documents
import FoundationEssentials
import JSON
import Testing

@testable import Evaluation

struct AnswerMetricsTests {
  private let golden: JSONValue

  init() throws {
    let path = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../Fixtures/answers/golden.json").standardized
    golden = try JSONValue(parsing: Array(Data(contentsOf: path)))
  }

  private struct Case {
    let unit: AnswerUnit
    let answer: String
    let references: [String]
    let json: JSONValue
  }

  private func cases() throws -> [Case] {
    try #require(golden["cases"]?.array).map { json in
      Case(
        unit: try #require(json["unit"]?.string.flatMap(AnswerUnit.init(rawValue:))),
        answer: try #require(json["answer"]?.string),
        references: (json["references"]?.array ?? []).compactMap(\.string), json: json)
    }
  }

  @Test func scoresEqualTheReferences() throws {
    for one in try cases() {
      let scores = AnswerScores(one.answer, references: one.references, unit: one.unit)
      let values: [(String, Double)] = [
        ("exact_match", scores.exactMatch), ("f1", scores.f1), ("rouge1", scores.rouge1),
        ("rouge2", scores.rouge2), ("rougeL", scores.rougeL),
      ]
      for (name, value) in values {
        let expected = try #require(one.json[name]?.double)
        #expect(abs(value - expected) < 1e-12, "\(name) of \(one.answer)")
      }
      #expect(AnswerUnit(of: one.references) == one.unit)
    }
  }

  @Test func bleuEqualsSacrebleu() throws {
    for one in try cases() {
      let expected = (one.json["bleu_tokens"]?.array ?? []).compactMap(\.string)
      #expect(AnswerTokens.bleu(one.answer, one.unit) == expected)
    }
    for corpus in try #require(golden["corpora"]?.array) {
      let chosen = try cases().filter { $0.unit.rawValue == corpus["unit"]?.string }
      var bleu = CorpusBLEU()
      for one in chosen.prefix(try #require(corpus["cases"]?.int)) {
        bleu.add(one.answer, references: one.references, unit: one.unit)
      }
      #expect(abs(bleu.score - (try #require(corpus["bleu"]?.double))) < 1e-12)
    }
    #expect(CorpusBLEU().score == 0)
  }

  // MARK: Faithfulness

  @Test(arguments: [
    ("Meta announced Llama 2 [1]. That was in July [1].", 2, 2, 2),
    ("Meta announced Llama 2 [1]. It came in July.", 1, 1, 2),
    ("The Danube is long [1].", 0, 1, 1),
    ("Meta announced Llama 2 [2]. Llama has sizes [9].", 0, 1, 2),
    ("向量检索按意思查找段落[3]。今天天气很好[3]。", 1, 2, 2),
    ("", 0, 0, 0),
  ])
  func sentencesAreFaithfulToWhatTheyCite(
    answer: String, supported: Int, cited: Int, sentences: Int
  ) {
    let passages = [
      1: "Llama 2 was announced on 18 July 2023 by Meta.", 2: "The Danube flows to the sea.",
      3: "向量检索按意思查找段落。",
    ]
    let faithfulness = Faithfulness(
      answer, passages: passages, boundaries: TextSentences.ranges)
    #expect(faithfulness.supported == supported)
    #expect(faithfulness.cited == cited)
    #expect(faithfulness.sentences == sentences)
    #expect(
      faithfulness.share == (sentences > 0 ? Double(supported) / Double(sentences) : nil))
  }

  // MARK: Records

  private func read(_ text: String) throws -> [AnswerRecord] {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "answers-\(UUID().uuidString).jsonl").path
    try Data(text.utf8).write(to: URL(filePath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try AnswerRecord.read(path)
  }

  @Test func recordsAreRead() throws {
    let records = try read(
      """
      {"question": "q", "answer": "a"}

      {"question": "谁？", "answers": ["甲", "乙"], "prediction": "甲[2]", \
      "passages": ["一", {"n": 7, "text": "七"}]}
      """)
    #expect(records.count == 2)
    #expect(records[0].references == ["a"] && records[0].prediction == nil)
    #expect(records[0].passages == nil)
    #expect(records[1].references == ["甲", "乙"])
    #expect(records[1].passages == [1: "一", 7: "七"])
  }

  /// What isn't a line end of files may stand in a JSON string.
  @Test(arguments: ["\u{2028}", "\u{2029}", "\u{85}", "\u{7F}"])
  func linesEndInLineFeedsOnly(separator: String) throws {
    let line = #"{"question": "one\#(separator)two", "answer": "a"}"#
    let records = try read("\(line)\r\n\r\n\(line)\n")
    #expect(records.map(\.question) == Array(repeating: "one\(separator)two", count: 2))
  }

  @Test(arguments: [
    "{", "[]", #"{"answer": "a"}"#, #"{"question": "q"}"#, #"{"question": "q", "answers": []}"#,
    #"{"question": "q", "answer": "a", "passages": 5}"#,
    #"{"question": "q", "answer": "a", "passages": [5]}"#,
  ])
  func badRecordsAreNamed(line: String) {
    #expect {
      _ = try read("{\"question\": \"q\", \"answer\": \"a\"}\n" + line)
    } throws: { "\($0)".contains(":2: ") }
  }
}

// Metrics against numbers worked out by hand, and files that are refused.

import FoundationEssentials
import Glibc
import Testing

@testable import Evaluation

@Suite struct RankingMetricsTests {
  @Test func metricsAreThoseOfTrecEval() {
    var metrics = RankingMetrics(depth: 4)
    metrics.add(["x", "a", "b", "y", "c"], ["a": 2, "b": 1, "c": 3, "z": 0])
    let gain = 2 / log2(3.0) + 1 / log2(4.0) + 3 / log2(6.0)
    let ideal = 3 / log2(2.0) + 2 / log2(3.0) + 1 / log2(4.0)
    #expect(metrics.queryCount == 1)
    #expect(abs(metrics.recall - 2.0 / 3) < 1e-12)
    #expect(abs(metrics.gain - gain / ideal) < 1e-12)
    #expect(metrics.reciprocalRank == 0.5)
    #expect(abs(metrics.averagePrecision - (1.0 / 2 + 2.0 / 3) / 3) < 1e-12)
    metrics.add([], ["a": 1])
    #expect(metrics.queryCount == 2 && metrics.reciprocalRank == 0.25)
    metrics.add(["a"], ["a": 0])
    metrics.add(["a"], [:])
    #expect(metrics.queryCount == 2, "queries without a relevant document don't count")
  }

  @discardableResult
  private func withFile<R>(_ text: String, _ body: (String) throws -> R) throws -> R {
    let path = "/tmp/martlet-judged-\(UInt32.random(in: 0 ... .max))"
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    return try body(path)
  }

  @Test func filesAreRead() throws {
    try withFile("{\"id\":\"1\",\"text\":\"a\"}\n\n{\"id\":\"2\",\"text\":\"模\",\"x\":1}\n") {
      texts in
      try withFile("q1 0 1 2\nq1\t0\t2\t0\r\nq2 0 1 -1\n") { judgments in
        let judged = try JudgedCollection(documents: texts, queries: texts, judgments: judgments)
        #expect(judged.documents.map(\.text) == ["a", "模"] && judged.queries.count == 2)
        #expect(judged.judgments == ["q1": ["1": 2, "2": 0], "q2": ["1": -1]])
      }
    }
  }

  @Test func otherDocumentsAreMixedIn() throws {
    try withFile("{\"id\":\"1\",\"text\":\"a\"}") { texts in
      try withFile("{\"id\":\"1\",\"text\":\"模\"}") { others in
        try withFile("q1 0 1 2") { judgments in
          func judged(_ distractors: [String]) throws -> JudgedCollection {
            try JudgedCollection(
              documents: texts, distractors: distractors, queries: texts, judgments: judgments)
          }
          let mixed = try judged([others, texts])
          #expect(mixed.documents.map(\.id) == ["1", "0:1", "1:1"])
          #expect(mixed.documents.map(\.text) == ["a", "模", "a"] && mixed.queries.count == 1)
          let names = try [[], [others], [texts], [others, texts]].map {
            try judged($0).fingerprint
          }
          #expect(Set(names).count == 4 && names.allSatisfy { $0.count == 16 })
          #expect(try judged([others]).fingerprint == names[1])
        }
      }
    }
  }

  @Test(arguments: ["{\"id\":1,\"text\":\"a\"}", "{", "[]", "{\"id\":\"1\"}"])
  func badTextsAreNamed(line: String) throws {
    try withFile("{\"id\":\"1\",\"text\":\"a\"}\n" + line) { path in
      #expect(refusal(path, path)?.hasPrefix("\(path):2: ") == true)
    }
  }

  @Test(arguments: ["q 0 d", "q 0 d x", "q 0 d 1 more"])
  func badJudgmentsAreNamed(line: String) throws {
    try withFile(line) { path in
      try withFile("") { empty in
        #expect(refusal(empty, path)?.hasPrefix("\(path):1: ") == true)
        #expect(refusal("/nowhere", path)?.hasPrefix("/nowhere: ") == true)
      }
    }
  }

  private func refusal(_ texts: String, _ judgments: String) -> String? {
    do throws(EvaluationError) {
      _ = try JudgedCollection(documents: texts, queries: texts, judgments: judgments)
      return nil
    } catch { return error.description }
  }
}

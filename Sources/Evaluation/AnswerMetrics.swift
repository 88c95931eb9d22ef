// How close an answer comes to reference answers: exact match and F1 as SQuAD computes them (CMRC 2018
// for Chinese), ROUGE-1, -2 and -L as rouge-score does. Of several references the best one counts.

/// Scores of one answer, 0 to 1.
package struct AnswerScores: Sendable, Hashable {
  package let exactMatch: Double
  package let f1: Double
  package let rouge1: Double
  package let rouge2: Double
  package let rougeL: Double

  /// - Parameter references: at least one; without any, all scores are 0.
  package init(_ answer: String, references: [String], unit: AnswerUnit) {
    let compared = AnswerTokens.compared(answer, unit)
    let words = AnswerTokens.rouge(answer)
    var scores = [0.0, 0.0, 0.0, 0.0, 0.0]
    for reference in references {
      let wanted = AnswerTokens.compared(reference, unit)
      let wantedWords = AnswerTokens.rouge(reference)
      let one = [
        compared == wanted ? 1 : 0, Self.f1(compared, wanted, unit),
        Self.rouge(words, wantedWords, length: 1), Self.rouge(words, wantedWords, length: 2),
        Self.rougeL(words, wantedWords),
      ]
      scores = zip(scores, one).map { max($0, $1) }
    }
    (exactMatch, f1) = (scores[0], scores[1])
    (rouge1, rouge2, rougeL) = (scores[2], scores[3], scores[4])
  }

  /// SQuAD counts common words; CMRC takes the longest run of characters that both have.
  private static func f1(_ answer: [String], _ reference: [String], _ unit: AnswerUnit) -> Double {
    guard !answer.isEmpty, !reference.isEmpty else { return answer == reference ? 1 : 0 }
    let common =
      switch unit {
      case .words: commonCount(counts(answer), counts(reference))
      case .characters: longestCommonRun(answer, reference)
      }
    return harmonicMean(common, answer.count, reference.count)
  }

  private static func rouge(_ answer: [String], _ reference: [String], length: Int) -> Double {
    let (left, right) = (NGrams(answer, length: length), NGrams(reference, length: length))
    return harmonicMean(commonCount(left.counts, right.counts), left.total, right.total)
  }

  private static func rougeL(_ answer: [String], _ reference: [String]) -> Double {
    harmonicMean(longestCommonSubsequence(answer, reference), answer.count, reference.count)
  }

  /// Of precision and recall.
  private static func harmonicMean(_ common: Int, _ answer: Int, _ reference: Int) -> Double {
    guard common > 0 else { return 0 }
    let precision = Double(common) / Double(answer)
    let recall = Double(common) / Double(reference)
    return 2 * precision * recall / (precision + recall)
  }

  private static func counts(_ tokens: [String]) -> [[String]: Int] {
    NGrams(tokens, length: 1).counts
  }

  private static func commonCount(_ left: [[String]: Int], _ right: [[String]: Int]) -> Int {
    left.reduce(0) { $0 + min($1.value, right[$1.key] ?? 0) }
  }

  private static func longestCommonSubsequence(_ left: [String], _ right: [String]) -> Int {
    var row = [Int](repeating: 0, count: right.count + 1)
    for token in left {
      var diagonal = 0
      for index in right.indices {
        let above = row[index + 1]
        row[index + 1] = token == right[index] ? diagonal + 1 : max(above, row[index])
        diagonal = above
      }
    }
    return row[right.count]
  }

  private static func longestCommonRun(_ left: [String], _ right: [String]) -> Int {
    var row = [Int](repeating: 0, count: right.count + 1)
    var longest = 0
    for token in left {
      var diagonal = 0
      for index in right.indices {
        let above = row[index + 1]
        row[index + 1] = token == right[index] ? diagonal + 1 : 0
        longest = max(longest, row[index + 1])
        diagonal = above
      }
    }
    return longest
  }
}

/// Runs of so many tokens, and how often each occurs.
struct NGrams {
  private(set) var counts: [[String]: Int] = [:]

  init(_ tokens: [String], length: Int) {
    guard tokens.count >= length else { return }
    for start in 0...(tokens.count - length) {
      counts[Array(tokens[start..<start + length]), default: 0] += 1
    }
  }

  var total: Int { counts.values.reduce(0, +) }
}

// BLEU over a corpus (Papineni et al. 2002) as sacrebleu computes it by default: up to four words,
// clipped against the references, the length of the closest reference, exponential smoothing.

import Glibc

package struct CorpusBLEU: Sendable, Hashable {
  private static let order = 4

  private var correct = [Int](repeating: 0, count: order)
  private var total = [Int](repeating: 0, count: order)
  private var answerLength = 0
  private var referenceLength = 0

  package init() {}

  package mutating func add(_ answer: String, references: [String], unit: AnswerUnit) {
    let tokens = AnswerTokens.bleu(answer, unit)
    let wanted = references.map { AnswerTokens.bleu($0, unit) }
    answerLength += tokens.count
    let closest = wanted.map(\.count).min {
      (abs($0 - tokens.count), $0) < (abs($1 - tokens.count), $1)
    }
    referenceLength += closest ?? 0
    for length in 1...Self.order {
      let found = NGrams(tokens, length: length)
      var allowed: [[String]: Int] = [:]
      for reference in wanted {
        allowed.merge(NGrams(reference, length: length).counts) { max($0, $1) }
      }
      correct[length - 1] += found.counts.reduce(0) { $0 + min($1.value, allowed[$1.key] ?? 0) }
      total[length - 1] += found.total
    }
  }

  /// 0 to 1, a hundredth of what sacrebleu prints.
  package var score: Double {
    guard correct.contains(where: { $0 > 0 }), !total.contains(0) else { return 0 }
    var smoothing = 1.0
    var sum = 0.0
    for (correct, total) in zip(correct, total) {
      if correct == 0 { smoothing *= 2 }
      sum += log((correct == 0 ? 1 / smoothing : Double(correct)) / Double(total))
    }
    let brevity =
      answerLength < referenceLength
      ? exp(1 - Double(referenceLength) / Double(answerLength)) : 1
    return brevity * exp(sum / Double(Self.order))
  }
}

// Several prompts whose continuation is one: with passages z in place of prompts, p(z|x) as weights,
// this is what Retrieval-Augmented Generation (Lewis et al. 2020, arXiv 2005.11401) decodes over. Each
// prompt is a sequence of its own; the scheduler gives all of them the same next token in one step.
//
// RAG-Token draws each token from p(y_i | x, y_<i) = sum_z p(z|x) p(y_i | x, z, y_<i). RAG-Sequence
// looks for the answer y with the greatest sum_z p(z|x) prod_i p(y_i | x, z, y_<i).

import Glibc

/// Prompts beside a request's own, and how much each counts.
package struct PromptMixture: Sendable {
  /// Further prompts; the request's own is the first of all.
  package let others: [[Int32]]
  /// Natural logarithms of the prompts' probabilities, the request's own first.
  package let logWeights: [Double]

  /// - Parameter logWeights: one more than there are other prompts; need not be normalised.
  package init(others: [[Int32]], logWeights: [Double]) {
    self.others = others
    let total = Self.logSum(logWeights)
    self.logWeights = logWeights.map { $0 - total }
  }

  /// log(sum(exp(x))), added up in order; minus infinity for none.
  package static func logSum(_ values: [Double]) -> Double {
    guard let greatest = values.max(), greatest > -.infinity else { return -.infinity }
    return greatest + log(values.reduce(0) { $0 + exp($1 - greatest) })
  }

  /// log p(v) = log sum_z p(z) softmax(row z)(v) for each token, `[V]`, from the prompts' rows of raw
  /// logits in order. Summed in float64 in that order, so that the same rows give the same bits.
  func mix(_ rows: [UnsafeBufferPointer<Float>]) throws(InferenceError) -> [Float] {
    precondition(rows.count == logWeights.count, "a row per prompt")
    var sums = [Double](repeating: 0, count: rows.first?.count ?? 0)
    for (row, logWeight) in zip(rows, logWeights) {
      try TokenLogprobs(row).add(to: &sums, logWeight: logWeight)
    }
    return sums.map { Float(log($0)) }
  }
}

extension GenerationRequest {
  /// All prompts, its own first.
  package var prompts: [[Int32]] { [prompt] + (mixture?.others ?? []) }

  /// Tokens of all prompts.
  package var promptTokenCount: Int { prompts.reduce(0) { $0 + $1.count } }

  var longestPromptCount: Int { prompts.reduce(0) { max($0, $1.count) } }
}

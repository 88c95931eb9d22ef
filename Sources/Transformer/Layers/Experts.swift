// Feed-forward by a few of many gated networks: a router gives every token a weight for each expert,
// and the token goes through those with the largest weights. Experts take their turns, each with
// all tokens that are sent to it; a token's results are added in the order of the experts, so that
// they don't depend on the batch. A shared expert takes all tokens, weighted by a gate of its own.

import CKernels
import Checkpoints
import Compute
import Glibc

struct Experts: Sendable {
  /// [experts][D]
  let router: Linear
  let networks: [GatedFeedForward]
  let countPerToken: Int
  /// The weights of a token's experts are divided by their sum.
  let normalizesWeights: Bool
  let shared: Shared?

  struct Shared: Sendable {
    let network: GatedFeedForward
    /// [1][D], whose sigmoid is the weight.
    let gate: Linear
  }

  /// A token that is sent to an expert.
  private struct Assignment {
    var row: Int
    var weight: Float
  }

  var linears: [Linear] {
    let all = networks + (shared.map { [$0.network] } ?? [])
    return [router] + (shared.map { [$0.gate] } ?? []) + all.flatMap(\.linears)
  }

  var idleByteCount: Int {
    let bytes = networks.flatMap(\.linears).reduce(0) { $0 + $1.weight.packedByteCount }
    return bytes - bytes / networks.count * min(countPerToken, networks.count)
  }

  func add(
    _ x: Activations, to hidden: Activations, workspace: inout Workspace, pool: ThreadPool,
    replacing: Bool, filling fill: (@Sendable (Range<Int>) -> Void)?
  ) throws(ModelError) {
    let logits = try workspace.activations(.routing, rows: x.rows, columns: networks.count)
    Projection.compute(
      [Projection(linear: router, output: logits)], of: x, pool: pool, filling: fill)
    if replacing { hidden.base.update(repeating: 0, count: hidden.rows * hidden.columns) }
    for (network, assignments) in zip(networks, assignments(logits, pool: pool))
    where !assignments.isEmpty {
      try add(
        network, assignments, of: x, to: hidden, workspace: &workspace, pool: pool)
    }
    guard let shared else { return }
    let gates = try workspace.activations(.routing, rows: x.rows, columns: 1)
    shared.gate.apply(x, into: gates, pool: pool)
    let everyone = (0..<x.rows).map { Assignment(row: $0, weight: 1 / (1 + expf(-gates[$0][0]))) }
    try add(shared.network, everyone, of: x, to: hidden, workspace: &workspace, pool: pool)
  }

  /// The tokens of each expert, in order.
  private func assignments(_ logits: Activations, pool: ThreadPool) -> [[Assignment]] {
    let (softmax, argmax) = (kernels.softmax, kernels.argmax)
    pool.parallelFor(logits.rows, grain: 16) { rows in
      for row in rows { softmax(logits[row], logits.columns) }
    }
    var result = [[Assignment]](repeating: [], count: networks.count)
    for row in 0..<logits.rows {
      var chosen: [(expert: Int, weight: Float)] = []
      for _ in 0..<min(countPerToken, networks.count) {
        let expert = argmax(logits[row], logits.columns)
        chosen.append((expert, logits[row][expert]))
        logits[row][expert] = -1  // below every probability
      }
      let total = normalizesWeights ? chosen.reduce(0) { $0 + $1.weight } : 1
      for (expert, weight) in chosen {
        result[expert].append(Assignment(row: row, weight: weight / total))
      }
    }
    return result
  }

  private func add(
    _ network: GatedFeedForward, _ assignments: [Assignment], of x: Activations,
    to hidden: Activations, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let (count, width) = (assignments.count, x.columns)
    let input = try workspace.activations(.expertInput, rows: count, columns: width)
    let output = try workspace.activations(.expertOutput, rows: count, columns: width)
    for (index, assignment) in assignments.enumerated() {
      input[index].update(from: x[assignment.row], count: width)
    }
    try network.add(input, to: output, workspace: &workspace, pool: pool, replacing: true)
    for (index, assignment) in assignments.enumerated() {
      kernels.add_scaled(output[index], assignment.weight, width, hidden[assignment.row])
    }
  }
}

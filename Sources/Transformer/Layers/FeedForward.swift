// The feed-forward part of a block: gated, plain with two layers, or by experts.

import CKernels
import Checkpoints
import Compute
import ModelFamilies

enum FeedForward: Sendable {
  typealias Activation = CausalLMConfiguration.Activation

  case gated(GatedFeedForward)
  /// down(activation(up(x)))
  case plain(Activation, up: Linear, down: Linear)
  case experts(Experts)

  var linears: [Linear] {
    switch self {
    case .gated(let network): network.linears
    case .plain(_, let up, let down): [up, down]
    case .experts(let experts): experts.linears
    }
  }

  /// Bytes of weights that one token doesn't read.
  var idleByteCount: Int {
    if case .experts(let experts) = self { experts.idleByteCount } else { 0 }
  }

  /// Adds its result for `x` to `hidden`, or puts it there instead of what is there; rows of `x` are
  /// made by `fill` where there is one.
  func add(
    _ x: Activations, to hidden: Activations, adapting runs: [AdapterRun] = [],
    workspace: inout Workspace, pool: ThreadPool, replacing: Bool = false,
    filling fill: (@Sendable (Range<Int>) -> Void)? = nil
  ) throws(ModelError) {
    switch self {
    case .gated(let network):
      try network.add(
        x, to: hidden, adapting: runs, workspace: &workspace, pool: pool, replacing: replacing,
        filling: fill)
    case .plain(let activation, let up, let down):
      let inner = try workspace.activations(.inner, rows: x.rows, columns: up.outputCount)
      let projection = Projection(linear: up, output: inner, activation: .function(activation))
      Projection.compute([projection], of: x, adapting: runs, pool: pool, filling: fill)
      let result = Projection(linear: down, output: hidden, adds: !replacing)
      Projection.compute([result], of: inner, adapting: runs, pool: pool)
    case .experts(let experts):
      try experts.add(
        x, to: hidden, workspace: &workspace, pool: pool, replacing: replacing, filling: fill)
    }
  }
}

/// down(activation(gate(x)) * up(x))
struct GatedFeedForward: Sendable {
  let activation: FeedForward.Activation
  let gate, up, down: Linear

  var linears: [Linear] { [gate, up, down] }

  func add(
    _ x: Activations, to hidden: Activations, adapting runs: [AdapterRun] = [],
    workspace: inout Workspace, pool: ThreadPool, replacing: Bool = false,
    filling fill: (@Sendable (Range<Int>) -> Void)? = nil
  ) throws(ModelError) {
    let inner = try workspace.activations(.inner, rows: x.rows, columns: up.outputCount)
    if gate.weight.format == up.weight.format {
      let gated = Projection(linear: up, output: inner, activation: .gated(activation, by: gate))
      Projection.compute([gated], of: x, adapting: runs, pool: pool, filling: fill)
    } else {
      let gates = try workspace.activations(.gate, rows: x.rows, columns: up.outputCount)
      let both = [
        Projection(linear: gate, output: gates, activation: .function(activation)),
        Projection(linear: up, output: inner),
      ]
      Projection.compute(both, of: x, adapting: runs, pool: pool, filling: fill)
      let multiply = kernels.multiply_values
      pool.parallelFor(inner.rows, grain: 4) { rows in
        for row in rows { multiply(gates[row], inner[row], inner.columns, inner[row]) }
      }
    }
    let result = Projection(linear: down, output: hidden, adds: !replacing)
    Projection.compute([result], of: inner, adapting: runs, pool: pool)
  }
}

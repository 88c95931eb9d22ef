// The feed-forward part of a block, in the two shapes there are: gated, and plain with two layers.

import CKernels
import Compute

enum FeedForward: Sendable {
  /// down(silu(gate(x)) * up(x))
  case gatedSilu(gate: Linear, up: Linear, down: Linear)
  /// down(gelu(up(x))), gelu by the error function
  case plainGelu(up: Linear, down: Linear)

  var linears: [Linear] {
    switch self {
    case .gatedSilu(let gate, let up, let down): [gate, up, down]
    case .plainGelu(let up, let down): [up, down]
    }
  }

  /// Adds its result for `x` to `hidden`; rows of `x` are made by `fill` where there is one.
  func add(
    _ x: Activations, to hidden: Activations, adapting runs: [AdapterRun] = [],
    workspace: inout Workspace, pool: ThreadPool,
    filling fill: (@Sendable (Range<Int>) -> Void)? = nil
  ) throws(ModelError) {
    let inner: Activations
    let down: Linear
    switch self {
    case .gatedSilu(let gate, let up, let last):
      inner = try workspace.activations(.inner, rows: x.rows, columns: up.outputCount)
      down = last
      if gate.weight.format == up.weight.format {
        let gated = Projection(linear: up, output: inner, activation: .gatedBy(gate))
        Projection.compute([gated], of: x, adapting: runs, pool: pool, filling: fill)
      } else {
        let gates = try workspace.activations(.gate, rows: x.rows, columns: up.outputCount)
        let both = [
          Projection(linear: gate, output: gates), Projection(linear: up, output: inner),
        ]
        Projection.compute(both, of: x, adapting: runs, pool: pool, filling: fill)
        multiply(inner, bySiluOf: gates, pool: pool)
      }
    case .plainGelu(let up, let last):
      inner = try workspace.activations(.inner, rows: x.rows, columns: up.outputCount)
      down = last
      let projection = Projection(linear: up, output: inner, activation: .gelu)
      Projection.compute([projection], of: x, adapting: runs, pool: pool, filling: fill)
    }
    let projection = Projection(linear: down, output: hidden, adds: true)
    Projection.compute([projection], of: inner, adapting: runs, pool: pool)
  }

  private func multiply(_ values: Activations, bySiluOf gates: Activations, pool: ThreadPool) {
    let siluMultiply = kernels.silu_multiply
    pool.parallelFor(values.rows, grain: 4) { rows in
      for row in rows { siluMultiply(gates[row], values[row], values.columns, values[row]) }
    }
  }
}

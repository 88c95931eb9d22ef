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

  func apply(
    _ x: Activations, into y: Activations, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    switch self {
    case .gatedSilu(let gateLayer, let upLayer, let downLayer):
      let width = gateLayer.outputCount
      let gate = try workspace.activations(.gate, rows: x.rows, columns: width)
      let up = try workspace.activations(.up, rows: x.rows, columns: width)
      gateLayer.apply(x, into: gate, pool: pool)
      upLayer.apply(x, into: up, pool: pool)
      let siluMultiply = kernels.silu_multiply
      pool.parallelFor(x.rows, grain: 4) { rows in
        for row in rows { siluMultiply(gate[row], up[row], width, gate[row]) }
      }
      downLayer.apply(gate, into: y, pool: pool)
    case .plainGelu(let upLayer, let downLayer):
      let up = try workspace.activations(.up, rows: x.rows, columns: upLayer.outputCount)
      upLayer.apply(x, into: up, pool: pool)
      let gelu = kernels.gelu
      pool.parallelFor(x.rows, grain: 4) { rows in
        for row in rows { gelu(up[row], up.columns, up[row]) }
      }
      downLayer.apply(up, into: y, pool: pool)
    }
  }
}

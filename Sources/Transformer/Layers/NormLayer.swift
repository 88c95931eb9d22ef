// Normalisation of each token's activations on its own, by root mean square or by mean and
// variance, and the residual sum that goes with it.

import CKernels
import Compute

enum NormLayer: Sendable {
  case rms(weight: [Float], epsilon: Float)
  case layer(weight: [Float], bias: [Float], epsilon: Float)

  var parameterCount: Int {
    switch self {
    case .rms(let weight, _): weight.count
    case .layer(let weight, let bias, _): weight.count + bias.count
    }
  }

  /// y may be x.
  func apply(_ x: Activations, into y: Activations, pool: ThreadPool) {
    pool.parallelFor(x.rows, grain: 8) { rows in
      for row in rows {
        switch self {
        case .rms(let weight, let epsilon):
          kernels.rms_norm(x[row], weight, x.columns, epsilon, 0, y[row])
        case .layer(let weight, let bias, let epsilon):
          kernels.layer_norm(x[row], weight, bias, x.columns, epsilon, y[row])
        }
      }
    }
  }
}

/// x += y, row by row.
func addRows(_ y: Activations, to x: Activations, pool: ThreadPool) {
  let add = kernels.add
  pool.parallelFor(x.rows, grain: 16) { rows in
    for row in rows { add(x[row], y[row], x.columns, x[row]) }
  }
}

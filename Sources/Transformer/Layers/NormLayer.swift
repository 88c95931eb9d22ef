// Normalisation of each token's activations on its own, by root mean square or by mean and variance.

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
    pool.parallelFor(x.rows, grain: 8) { apply(x, into: y, rows: $0) }
  }

  /// Some rows, on the calling thread; y may be x.
  func apply(_ x: Activations, into y: Activations, rows: Range<Int>) {
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

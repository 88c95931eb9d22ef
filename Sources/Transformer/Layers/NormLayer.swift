// Normalisation of each token's activations on its own, by root mean square or by mean and variance.

import CKernels
import Compute

enum NormLayer: Sendable {
  /// `offset` is added to the weights.
  case rms(weight: [Float], epsilon: Float, offset: Float = 0)
  case layer(weight: [Float], bias: [Float], epsilon: Float)

  var parameterCount: Int {
    switch self {
    case .rms(let weight, _, _): weight.count
    case .layer(let weight, let bias, _): weight.count + bias.count
    }
  }

  /// Values that are normalised together.
  var width: Int {
    switch self {
    case .rms(let weight, _, _), .layer(let weight, _, _): weight.count
    }
  }

  /// In place: a row of one or several times `width` values.
  func apply(toPartsOf row: UnsafeMutablePointer<Float>, count: Int) {
    let parts = Activations(base: row, rows: count / width, columns: width)
    apply(parts, into: parts, rows: 0..<parts.rows)
  }

  /// y may be x.
  func apply(_ x: Activations, into y: Activations, pool: ThreadPool) {
    pool.parallelFor(x.rows, grain: 8) { apply(x, into: y, rows: $0) }
  }

  /// Some rows, on the calling thread; y may be x.
  func apply(_ x: Activations, into y: Activations, rows: Range<Int>) {
    for row in rows {
      switch self {
      case .rms(let weight, let epsilon, let offset):
        kernels.rms_norm(x[row], weight, x.columns, epsilon, offset, y[row])
      case .layer(let weight, let bias, let epsilon):
        kernels.layer_norm(x[row], weight, bias, x.columns, epsilon, y[row])
      }
    }
  }
}

// W x (+ bias): a weight matrix in whatever format, with its bias. Projection computes it.

import Compute
import Quantization

struct Linear: Sendable {
  let weight: WeightMatrix
  let bias: [Float]?

  var outputCount: Int { weight.rows }

  /// y = W x (+ bias), for every token.
  func apply(_ x: Activations, into y: Activations, pool: ThreadPool) {
    Projection.compute([Projection(linear: self, output: y)], of: x, pool: pool)
  }

  /// The same for one vector.
  func apply(_ x: [Float], pool: ThreadPool) -> [Float] {
    var (input, output) = (x, [Float](repeating: 0, count: outputCount))
    input.withUnsafeMutableBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output in
        guard let x = input.baseAddress, let y = output.baseAddress else { return }
        apply(
          Activations(base: x, rows: 1, columns: input.count),
          into: Activations(base: y, rows: 1, columns: output.count), pool: pool)
      }
    }
    return output
  }
}

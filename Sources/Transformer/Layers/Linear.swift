// W x (+ bias): a weight matrix in whatever format, with its bias. Projection computes it.

import Compute

struct Linear: Sendable {
  let weight: WeightMatrix
  let bias: [Float]?

  var outputCount: Int { weight.rows }

  /// y = W x (+ bias), for every token.
  func apply(_ x: Activations, into y: Activations, pool: ThreadPool) {
    Projection.compute([Projection(linear: self, output: y)], of: x, pool: pool)
  }
}

// y = W x (+ bias), for every token of a batch in one pass over the weights, whatever format they
// are in. Relies on WeightMatrix giving a token the same result bit for bit in every batch.

import CKernels
import Compute

struct Linear: Sendable {
  let weight: WeightMatrix
  let bias: [Float]?

  var outputCount: Int { weight.rows }

  func apply(_ x: Activations, into y: Activations, pool: ThreadPool) {
    precondition(x.columns == weight.columns && y.columns == weight.rows && x.rows == y.rows)
    weight.multiply(x.base, tokens: x.rows, into: y.base, pool: pool)
    guard let bias else { return }
    let add = kernels.add
    pool.parallelFor(y.rows, grain: 16) { rows in
      for row in rows { add(y[row], bias, y.columns, y[row]) }
    }
  }
}

// Products of activations in pairs, whose results are the next product's pairs or are added to float32
// activations. Relies on the kernels giving a token the same result bit for bit in every batch.

import CKernels
import Compute
import Quantization

/// One matrix of bfloat16 pairs, and where its product with them goes.
struct PairedProjection: Sendable {
  enum Result: Sendable {
    case pairs(PairedActivations, activation: martlet_activation = MARTLET_IDENTITY)
    case sum(Activations)
  }

  let linear: Linear
  let result: Result

  /// A matrix's tiles are handed out in pairs: a group of 32 columns of the result.
  private static let unitTiles = 2

  /// Their tiles are one pool of work.
  static func compute(
    _ projections: [PairedProjection], of x: PairedActivations, pool: ThreadPool
  ) {
    let counts = projections.map {
      ($0.linear.weight.tileCount + Self.unitTiles - 1) / Self.unitTiles
    }
    pool.parallelFor(counts.reduce(0, +)) { units in
      var start = 0
      for (projection, count) in zip(projections, counts) {
        let own = units.clamped(to: start..<start + count)
        let first = (own.lowerBound - start) * Self.unitTiles
        let end = min(
          (own.upperBound - start) * Self.unitTiles, projection.linear.weight.tileCount)
        if !own.isEmpty { projection.multiply(x, tiles: first..<end) }
        start += count
      }
    }
  }

  private func multiply(_ x: PairedActivations, tiles: Range<Int>) {
    let weight = linear.weight
    precondition(weight.format == .bfloat16Pairs && weight.columns == x.columns)
    withPointer(to: linear.bias) { bias in
      var product = martlet_product(
        format: MARTLET_BFLOAT16_PAIRS, activation: MARTLET_IDENTITY, adds: false,
        weights: weight.packedTiles, gate: nil, bias: bias, gate_bias: nil, rows: weight.rows,
        columns: weight.columns, prepared: x.base, tokens: x.rows, output: nil, output_stride: 0,
        pairs: nil)
      switch result {
      case .pairs(let output, let activation):
        precondition(output.columns == weight.rows && output.rows == x.rows)
        product.pairs = output.base
        product.activation = activation
      case .sum(let output):
        precondition(output.columns == weight.rows && output.rows == x.rows)
        product.adds = true
        product.output = output.base
        product.output_stride = output.columns
      }
      kernels.multiply(&product, tiles.lowerBound, tiles.upperBound)
    }
  }
}

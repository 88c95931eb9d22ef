// Products of one input with one or several matrices. The input is prepared once for all of them,
// their tiles are one pool of work, and what follows a product (bias, activation, residual sum) is
// done to its sums before they leave the cache. Relies on the kernels giving a token the same result
// bit for bit in every batch. Refuses nothing: sizes are the layers' promise.

import CKernels
import Compute
import Quantization

/// One matrix of such a product and where its result goes.
struct Projection: Sendable {
  enum Activation: Sendable {
    case none
    case function(FeedForward.Activation)
    /// f(gate(x)) * y. The gate's weights are of the same shape and format.
    case gated(FeedForward.Activation, by: Linear)
  }

  let linear: Linear
  let output: Activations
  var activation = Activation.none
  /// Added to what is in the output instead of replacing it.
  var adds = false

  /// Computes `projections` of `x` [T][columns], T times. With `filling`, rows of `x` are made by it
  /// just before they are used.
  static func compute(
    _ projections: [Projection], of x: Activations, pool: ThreadPool,
    filling fill: (@Sendable (Range<Int>) -> Void)? = nil
  ) {
    var (rest, fill) = (projections, fill)
    while let format = rest.first?.linear.weight.format {
      let together = ProductGroup(
        format: format, projections: rest.filter { $0.linear.weight.format == format })
      rest.removeAll { $0.linear.weight.format == format }
      for first in stride(from: 0, to: x.rows, by: ProductGroup.mostTokens) {
        let rows = first..<min(x.rows, first + ProductGroup.mostTokens)
        together.compute(x, rows: rows, pool: pool, fill: fill)
      }
      fill = nil
    }
  }
}

/// Projections of one input whose weights are of one format.
private struct ProductGroup: Sendable {
  let format: WeightFormat
  let projections: [Projection]

  /// Tokens for which activations are prepared at a time: each pass over the weights serves so many.
  static let mostTokens = 512
  /// Weight bytes times token blocks below which a range is not worth handing to another worker.
  private static let leastWork = 32 << 10

  func compute(
    _ x: Activations, rows: Range<Int>, pool: ThreadPool, fill: (@Sendable (Range<Int>) -> Void)?
  ) {
    let kernelFormat = format.kernelFormat
    let block = martlet_token_block(kernelFormat)
    let blocks = (rows.count - 1) / block + 1
    pool.withScratch(
      byteCount: martlet_prepared_bytes(kernelFormat, x.columns, rows.count)
    ) { prepared in
      // SAFETY: workers write disjoint token blocks of `prepared`, then disjoint tiles of the
      // outputs, in regions that end when every worker is done.
      nonisolated(unsafe) let prepared = prepared
      pool.parallelFor(blocks) { range in
        if let fill {
          let end = min(rows.count, range.upperBound * block)
          fill(rows.lowerBound + range.lowerBound * block..<rows.lowerBound + end)
        }
        kernels.prepare(
          kernelFormat, x[rows.lowerBound], x.columns, rows.count, range.lowerBound,
          range.upperBound, prepared)
      }
      multiply(prepared, blocks: blocks, rows: rows, pool: pool)
    }
  }

  private func multiply(
    _ prepared: UnsafeRawPointer, blocks: Int, rows: Range<Int>, pool: ThreadPool
  ) {
    withProducts(of: projections[...], prepared, rows: rows, after: []) { products in
      guard let last = products.last else { return }
      // SAFETY: workers only read, in a region that ends before the products go.
      nonisolated(unsafe) let products = products
      let unitBytes =
        last.unitTiles * martlet_tile_bytes(format.kernelFormat, last.call.columns)
      pool.parallelFor(
        last.units.upperBound, grain: max(1, Self.leastWork / (unitBytes * blocks))
      ) { units in
        for index in products.indices { products[index].multiply(units: units) }
      }
    }
  }

  /// One product of the region, without references: counting those of objects that all workers use
  /// would cost a worker as long as a few tiles.
  // SAFETY: the pointers are those of the projections, which outlive the region.
  private struct Product: @unchecked Sendable {
    var call: martlet_product
    var tileCount: Int
    /// Tiles are handed out in units of as many as the kernels compute together.
    var unitTiles: Int
    /// Its units among those of all products.
    var units: Range<Int>

    /// What of `units` is its own.
    func multiply(units wanted: Range<Int>) {
      let own = wanted.clamped(to: units)
      guard !own.isEmpty else { return }
      let first = (own.lowerBound - units.lowerBound) * unitTiles
      let end = min((own.upperBound - units.lowerBound) * unitTiles, tileCount)
      withUnsafePointer(to: call) { kernels.multiply($0, first, end) }
    }
  }

  /// Calls `body` with `done` and the products of `rest`.
  private func withProducts(
    of rest: ArraySlice<Projection>, _ prepared: UnsafeRawPointer, rows: Range<Int>,
    after done: [Product], _ body: (UnsafeBufferPointer<Product>) -> Void
  ) {
    guard let projection = rest.first else { return done.withUnsafeBufferPointer(body) }
    let start = done.last?.units.upperBound ?? 0
    let tileCount = projection.linear.weight.tileCount
    let unitTiles = martlet_unit_tiles(format.kernelFormat, rows.count)
    let units = start..<start + (tileCount + unitTiles - 1) / unitTiles
    projection.withCall(prepared, rows: rows) { call in
      let product = Product(call: call, tileCount: tileCount, unitTiles: unitTiles, units: units)
      withProducts(of: rest.dropFirst(), prepared, rows: rows, after: done + [product], body)
    }
  }
}

extension Projection {
  fileprivate func withCall(
    _ prepared: UnsafeRawPointer, rows: Range<Int>, _ body: (martlet_product) -> Void
  ) {
    let weight = linear.weight
    precondition(output.columns == weight.rows && rows.upperBound <= output.rows)
    let gate: Linear? = if case .gated(_, let gate) = activation { gate } else { nil }
    withPointer(to: linear.bias) { bias in
      withPointer(to: gate?.bias) { gateBias in
        body(
          martlet_product(
            format: weight.format.kernelFormat, activation: activation.kernelKind, adds: adds,
            weights: weight.packedTiles, gate: gate?.weight.packedTiles, bias: bias,
            gate_bias: gateBias, rows: weight.rows, columns: weight.columns, prepared: prepared,
            tokens: rows.count, output: output[rows.lowerBound], output_stride: output.columns,
            pairs: nil))
      }
    }
  }
}

extension Projection.Activation {
  fileprivate var kernelKind: martlet_activation {
    switch self {
    case .none: MARTLET_IDENTITY
    case .function(.silu): MARTLET_SILU
    case .function(.gelu): MARTLET_GELU
    case .function(.geluTanh): MARTLET_GELU_TANH
    case .gated(.silu, _): MARTLET_GATED_SILU
    case .gated(.gelu, _): MARTLET_GATED_GELU
    case .gated(.geluTanh, _): MARTLET_GATED_GELU_TANH
    }
  }
}

func withPointer(to values: [Float]?, _ body: (UnsafePointer<Float>?) -> Void) {
  guard let values else { return body(nil) }
  values.withUnsafeBufferPointer { body($0.baseAddress) }
}

// The one place where adapters enter a forward pass's products. All rows are multiplied by the
// model's weights together; then the rows of each adapter get what it adds. Where activation or
// residual sum would already have hidden the product, they are done here afterwards, for all rows in
// the same order as the kernels do, so that rows without an adapter keep their bits. What a row gets
// depends on itself and its adapter alone.

import CKernels
import Compute

extension Projection {
  /// As `compute`, with the adapters of some rows of `x`.
  static func compute(
    _ projections: [Projection], of x: Activations, adapting runs: [AdapterRun],
    pool: ThreadPool, filling fill: (@Sendable (Range<Int>) -> Void)? = nil
  ) {
    let runs = runs.filter { run in projections.contains { $0.isChanged(by: run.adapter) } }
    guard !runs.isEmpty else { return compute(projections, of: x, pool: pool, filling: fill) }
    let floatCount = projections.reduce(0) { $0 + $1.spreadFloatCount(rows: x.rows) }
    pool.withScratch(byteCount: floatCount * MemoryLayout<Float>.stride) { scratch in
      var free = scratch.assumingMemoryBound(to: Float.self)
      let spread = projections.map { projection in
        let parts = SpreadProjection(projection, rows: x.rows, scratch: free)
        free += projection.spreadFloatCount(rows: x.rows)
        return parts
      }
      let products = spread.flatMap(\.products)
      compute(products, of: x, pool: pool, filling: fill)
      for run in runs { run.adapt(products, of: x, pool: pool) }
      for parts in spread { parts.finish(pool: pool) }
    }
  }

  private func isChanged(by adapter: Adapter) -> Bool {
    if adapter.linears.isEmpty { return false }
    if adapter.linears[ObjectIdentifier(linear.weight)] != nil { return true }
    guard case .gatedBy(let gate) = activation else { return false }
    return adapter.linears[ObjectIdentifier(gate.weight)] != nil
  }

  /// Whether nothing follows the product.
  fileprivate var isBare: Bool {
    if case .none = activation { !adds } else { false }
  }

  /// Of the products that are not written to their place at once.
  private func spreadFloatCount(rows: Int) -> Int {
    if isBare { return 0 }
    let count = rows * linear.outputCount
    return if case .gatedBy = activation { 2 * count } else { count }
  }
}

/// A projection as its products and what follows them.
private struct SpreadProjection: Sendable {
  let projection: Projection
  /// W x + b, and of its gate where there is one.
  let products: [Projection]

  /// - Parameter scratch: room for the products, unless the projection is bare
  init(_ projection: Projection, rows: Int, scratch: UnsafeMutablePointer<Float>) {
    self.projection = projection
    guard !projection.isBare else {
      products = [projection]
      return
    }
    let width = projection.linear.outputCount
    let product = Activations(base: scratch, rows: rows, columns: width)
    var products = [Projection(linear: projection.linear, output: product)]
    if case .gatedBy(let gate) = projection.activation {
      let place = Activations(base: scratch + rows * width, rows: rows, columns: width)
      products.append(Projection(linear: gate, output: place))
    }
    self.products = products
  }

  /// Activation and residual sum.
  func finish(pool: ThreadPool) {
    guard !projection.isBare else { return }
    let (product, output) = (products[0].output, projection.output)
    let width = product.columns
    pool.parallelFor(product.rows, grain: 4) { rows in
      for row in rows {
        let values = product[row]
        switch projection.activation {
        case .none: break
        case .gelu: kernels.gelu(values, width, values)
        case .gatedBy: kernels.silu_multiply(products[1].output[row], values, width, values)
        }
        if projection.adds {
          kernels.add(output[row], values, width, output[row])
        } else {
          output[row].update(from: values, count: width)
        }
      }
    }
  }
}

extension AdapterRun {
  /// Turns the model's products of the run's rows into the adapter's.
  fileprivate func adapt(_ products: [Projection], of x: Activations, pool: ThreadPool) {
    let inputs = x[rows]
    var changes: [(product: Projection, adaptation: LinearAdaptation)] = []
    for product in products {
      guard let adaptation = adapter.linears[ObjectIdentifier(product.linear.weight)] else {
        continue
      }
      let linear = adaptation.replacement ?? product.linear
      let own = Projection(linear: linear, output: product.output[rows])
      changes.append((own, adaptation))
      if let factors = adaptation.inputFactors {
        own.compute(of: inputs, multipliedBy: factors, pool: pool)
      } else if adaptation.replacement != nil {
        Projection.compute([own], of: inputs, pool: pool)
      }
    }
    addLowRank(
      changes.compactMap { change in change.adaptation.lowRank.map { (change.product, $0) } },
      of: inputs, pool: pool)
    for (product, adaptation) in changes {
      if let factors = adaptation.outputFactors { product.output.multiply(by: factors) }
    }
  }

  /// The inputs are prepared once for all A.
  private func addLowRank(
    _ changes: [(product: Projection, lowRank: LinearAdaptation.LowRank)], of x: Activations,
    pool: ThreadPool
  ) {
    guard !changes.isEmpty else { return }
    let width = changes.reduce(0) { $0 + $1.lowRank.input.outputCount }
    pool.withScratch(byteCount: x.rows * width * MemoryLayout<Float>.stride) { scratch in
      var free = scratch.assumingMemoryBound(to: Float.self)
      let inner = changes.map { change in
        let rank = change.lowRank.input.outputCount
        defer { free += x.rows * rank }
        return Projection(
          linear: change.lowRank.input,
          output: Activations(base: free, rows: x.rows, columns: rank))
      }
      Projection.compute(inner, of: x, pool: pool)
      for ((product, lowRank), inner) in zip(changes, inner) {
        inner.output.multiply(by: lowRank.scale)
        Projection.compute(
          [Projection(linear: lowRank.output, output: product.output, adds: true)],
          of: inner.output, pool: pool)
        if let gains = lowRank.gains {
          product.output.multiply(by: gains, around: product.linear.bias)
        }
      }
    }
  }
}

extension Projection {
  /// W (x * factors) + b
  fileprivate func compute(
    of x: Activations, multipliedBy factors: [Float], pool: ThreadPool
  ) {
    let count = x.rows * x.columns
    pool.withScratch(byteCount: count * MemoryLayout<Float>.stride) { scratch in
      let base = scratch.assumingMemoryBound(to: Float.self)
      base.update(from: x.base, count: count)
      let scaled = Activations(base: base, rows: x.rows, columns: x.columns)
      scaled.multiply(by: factors)
      Projection.compute([self], of: scaled, pool: pool)
    }
  }
}

extension Activations {
  /// Some rows.
  subscript(rows: Range<Int>) -> Activations {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows)
    return Activations(base: self[rows.lowerBound], rows: rows.count, columns: columns)
  }

  func multiply(by factor: Float) {
    for index in 0..<rows * columns { base[index] *= factor }
  }

  /// Each column by a factor.
  func multiply(by factors: [Float]) {
    precondition(factors.count == columns)
    for row in 0..<rows {
      let values = self[row]
      for column in 0..<columns { values[column] *= factors[column] }
    }
  }

  /// Each column by a factor, its distance from an offset.
  func multiply(by factors: [Float], around offsets: [Float]?) {
    guard let offsets else { return multiply(by: factors) }
    precondition(factors.count == columns && offsets.count == columns)
    for row in 0..<rows {
      let values = self[row]
      for column in 0..<columns {
        values[column] = (values[column] - offsets[column]) * factors[column] + offsets[column]
      }
    }
  }
}

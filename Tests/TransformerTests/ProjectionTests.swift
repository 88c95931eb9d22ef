// Products that share an input: several matrices at once against each on its own, rows made on the
// way, batches beyond what is prepared at a time, and the feed-forward layer in mixed formats.

import CKernels
import Compute
import Quantization
import Synchronization
import Testing

@testable import Transformer

@Suite struct ProjectionTests {
  private let pool = ThreadPool(threads: 2, niceness: 0)
  private static let columns = 128

  private func linear(rows: Int, columns: Int = columns, _ format: WeightFormat, seed: UInt64)
    throws -> Linear
  {
    var source = SeededValues(seed: seed)
    let weights = source.normals(rows * columns, scale: 0.1)
    let matrix = try WeightMatrix(rows: rows, columns: columns, format: format, pool: pool) {
      for (i, k) in ($0.lowerBound * columns..<$0.upperBound * columns).enumerated() {
        $1[i] = weights[k]
      }
    }
    return Linear(weight: matrix, bias: source.normals(rows))
  }

  private func view(_ buffer: Guarded<Float>, columns: Int) -> Activations {
    Activations(base: buffer.pointer, rows: buffer.count / columns, columns: columns)
  }

  private func output(_ linear: Linear, tokens: Int) -> Activations {
    view(Guarded(count: tokens * linear.outputCount), columns: linear.outputCount)
  }

  private func values(_ x: Activations) -> [UInt32] {
    patterns(Array(UnsafeBufferPointer(start: x.base, count: x.rows * x.columns)))
  }

  /// Formats mixed, and more tokens than are prepared at a time.
  @Test(arguments: [1, 19, 530]) func togetherIsEachAlone(tokens: Int) throws {
    let linears = try [
      linear(rows: 70, .int4, seed: 1), linear(rows: 16, .int4, seed: 2),
      linear(rows: 33, .nf4, seed: 3), linear(rows: 5, .float32, seed: 4),
    ]
    var source = SeededValues(seed: 5)
    let x = view(Guarded(source.normals(tokens * Self.columns)), columns: Self.columns)
    let together = linears.map { output($0, tokens: tokens) }
    Projection.compute(
      zip(linears, together).map { Projection(linear: $0, output: $1) }, of: x, pool: pool)
    for (linear, result) in zip(linears, together) {
      let alone = output(linear, tokens: tokens)
      linear.apply(x, into: alone, pool: pool)
      #expect(values(result) == values(alone))
    }
  }

  @Test(arguments: [1, 40, 530]) func eachRowIsMadeOnceBeforeItIsUsed(tokens: Int) throws {
    let linears = try [linear(rows: 20, .int8, seed: 6), linear(rows: 20, .nf4, seed: 7)]
    var source = SeededValues(seed: 8)
    let x = view(Guarded(source.normals(tokens * Self.columns)), columns: Self.columns)
    let made = view(Guarded(count: tokens * Self.columns), columns: Self.columns)
    let counts = Mutex([Int](repeating: 0, count: tokens))
    let results = linears.map { output($0, tokens: tokens) }
    Projection.compute(
      zip(linears, results).map { Projection(linear: $0, output: $1) }, of: made, pool: pool
    ) { rows in
      for row in rows { made[row].update(from: x[row], count: Self.columns) }
      counts.withLock { for row in rows { $0[row] += 1 } }
    }
    #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
    for (linear, result) in zip(linears, results) {
      let alone = output(linear, tokens: tokens)
      linear.apply(x, into: alone, pool: pool)
      #expect(values(result) == values(alone))
    }
  }

  /// down(silu(gate(x)) * up(x)) added to what is there: whether gate and up are of one format, and
  /// so go through together, or not.
  @Test(arguments: [WeightFormat.int4, .float16])
  func gatesOfAnyFormat(format: WeightFormat) throws {
    let (tokens, width) = (21, 96)
    let gate = try linear(rows: width, format, seed: 9)
    let up = try linear(rows: width, .int4, seed: 10)
    let down = try linear(rows: Self.columns, columns: width, .int8, seed: 11)
    var source = SeededValues(seed: 12)
    let x = view(Guarded(source.normals(tokens * Self.columns)), columns: Self.columns)
    let start = source.normals(tokens * Self.columns)
    let hidden = view(Guarded(start), columns: Self.columns)
    var workspace = Workspace()
    try GatedFeedForward(activation: .silu, gate: gate, up: up, down: down).add(
      x, to: hidden, workspace: &workspace, pool: pool)

    let (gates, inner) = (output(gate, tokens: tokens), output(up, tokens: tokens))
    gate.apply(x, into: gates, pool: pool)
    up.apply(x, into: inner, pool: pool)
    kernels.silu_multiply(gates.base, inner.base, tokens * width, inner.base)
    let result = output(down, tokens: tokens)
    down.apply(inner, into: result, pool: pool)
    kernels.add(result.base, start, start.count, result.base)
    #expect(values(hidden) == values(result))
  }

  /// down(gelu(gate(x)) * up(x)) added to what is there.
  @Test(arguments: [WeightFormat.int8, .float32])
  func gatesOfGelu(format: WeightFormat) throws {
    let (tokens, width) = (21, 96)
    let gate = try linear(rows: width, format, seed: 9)
    let up = try linear(rows: width, format, seed: 10)
    let down = try linear(rows: Self.columns, columns: width, .float32, seed: 11)
    var source = SeededValues(seed: 12)
    let x = view(Guarded(source.normals(tokens * Self.columns)), columns: Self.columns)
    let start = source.normals(tokens * Self.columns)
    let hidden = view(Guarded(start), columns: Self.columns)
    var workspace = Workspace()
    try FeedForward.gated(GatedFeedForward(activation: .gelu, gate: gate, up: up, down: down)).add(
      x, to: hidden, workspace: &workspace, pool: pool)

    let (gates, inner) = (output(gate, tokens: tokens), output(up, tokens: tokens))
    gate.apply(x, into: gates, pool: pool)
    up.apply(x, into: inner, pool: pool)
    kernels.gelu(gates.base, tokens * width, gates.base)
    for i in 0..<tokens * width { inner.base[i] *= gates.base[i] }
    let result = output(down, tokens: tokens)
    down.apply(inner, into: result, pool: pool)
    kernels.add(result.base, start, start.count, result.base)
    #expect(values(hidden) == values(result))
  }
}

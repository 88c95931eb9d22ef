// What stays in pairs of bfloat16 between products: results that are the next product's activations
// against the float32 ones, attention within a text against the definition in double precision.

import CKernels
import Glibc
import Testing

/// Activations prepared for products of pairs.
private struct Pairs {
  let rows: Int
  let columns: Int
  let bytes: Guarded<UInt8>

  init(rows: Int, columns: Int) {
    (self.rows, self.columns) = (rows, columns)
    bytes = Guarded(
      count: martlet_prepared_bytes(MARTLET_BFLOAT16_PAIRS, columns, rows), alignment: 64)
  }

  init(_ kernels: martlet_kernels, _ values: [Float], columns: Int) {
    self.init(rows: values.count / columns, columns: columns)
    let blocks = (rows - 1) / martlet_token_block(MARTLET_BFLOAT16_PAIRS) + 1
    kernels.prepare(
      MARTLET_BFLOAT16_PAIRS, Guarded(values).pointer, columns, rows, 0, blocks, bytes.pointer)
  }

  /// Blocks of 12 rows (the last one has what is left): [columns / 32][rows][32].
  subscript(row: Int, column: Int) -> Float {
    let block = row / 12
    let width = min(12, rows - 12 * block)
    let blockBytes = 12 * 2 * ((columns + 31) / 32 * 32)
    let at = block * blockBytes + 64 * (column / 32 * width + row % 12) + 2 * (column % 32)
    let bits = UInt32(bytes.pointer[at]) | UInt32(bytes.pointer[at + 1]) << 8
    return Float(bitPattern: bits << 16)
  }

  func values(_ range: Range<Int>) -> [Float] {
    range.flatMap { row in (0..<columns).map { self[row, $0] } }
  }
}

private struct TextCase: CustomStringConvertible, Sendable {
  var d: Int
  var heads: Int
  var length: Int
  /// Rows of other texts in front and behind.
  var before = 0
  var after = 0

  var description: String {
    "d \(d), \(heads) heads, \(length) tokens of \(before) + \(after) more"
  }

  static let all = [
    TextCase(d: 32, heads: 1, length: 1), TextCase(d: 32, heads: 3, length: 12),
    TextCase(d: 32, heads: 2, length: 17, before: 7), TextCase(d: 64, heads: 2, length: 40),
    TextCase(d: 32, heads: 2, length: 128, before: 128, after: 5),
    TextCase(d: 96, heads: 1, length: 65, before: 12, after: 30),
    TextCase(d: 64, heads: 3, length: 33, before: 1, after: 1),
    TextCase(d: 32, heads: 1, length: 301, after: 12),
  ]
}

private struct PreparedText {
  let c: TextCase
  let query, key, value: [Float]
  private var rows: Int { c.before + c.length + c.after }
  private var columns: Int { c.heads * c.d }
  private var text: Range<Int> { c.before..<c.before + c.length }

  init(_ c: TextCase) {
    self.c = c
    var source = SeededValues(seed: UInt64(c.d * 1000 + c.length))
    let count = (c.before + c.length + c.after) * c.heads * c.d
    query = source.normals(count, scale: 2)
    key = source.normals(count)
    value = source.normals(count)
  }

  /// The text's output [length][heads][d], computed in pieces of `step` queries; with `alone`, without
  /// the rows of others.
  func run(_ kernels: martlet_kernels, step: Int? = nil, alone: Bool = false) -> [Float] {
    let kept = alone ? text.lowerBound * columns..<text.upperBound * columns : 0..<query.count
    let inputs = [query, key, value].map { Pairs(kernels, Array($0[kept]), columns: columns) }
    let output = Pairs(rows: inputs[0].rows, columns: columns)
    let scratch = Guarded<UInt8>(
      count: martlet_text_attention_bytes(c.d, c.length), alignment: 64)
    let first = alone ? 0 : c.before
    for head in 0..<c.heads {
      for begin in stride(from: 0, to: c.length, by: step ?? c.length) {
        var call = martlet_text_attention(
          head_dimension: c.d, head_count: c.heads, head: head, tokens: output.rows, first: first,
          length: c.length, query_begin: begin,
          query_end: min(c.length, begin + (step ?? c.length)), scale: 1 / Float(c.d).squareRoot(),
          query: inputs[0].bytes.pointer, key: inputs[1].bytes.pointer,
          value: inputs[2].bytes.pointer, output: output.bytes.pointer, scratch: scratch.pointer)
        kernels.text_attention(&call)
      }
    }
    for row in 0..<output.rows where !(first..<first + c.length).contains(row) {
      #expect(output.values(row..<row + 1).allSatisfy { $0 == 0 }, "row \(row) is another text's")
    }
    return output.values(first..<first + c.length)
  }

  /// The definition, in double precision, of what rounding left.
  func exact() -> [Double] {
    let inputs = [query, key, value].map { Pairs(Table.portable.kernels, $0, columns: columns) }
    var result: [Double] = []
    for t in text {
      for head in 0..<c.heads {
        let own = head * c.d..<(head + 1) * c.d
        let scores = text.map { j in
          own.reduce(0) { $0 + Double(inputs[0][t, $1]) * Double(inputs[1][j, $1]) }
            / Double(c.d).squareRoot()
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        for i in own {
          let mixed = zip(text, weights).reduce(0) { $0 + $1.1 * Double(inputs[2][$1.0, i]) }
          result.append(mixed / sum)
        }
      }
    }
    return result
  }
}

@Suite struct KernelPairTests {
  /// Rows, columns, tokens.
  private static let shapes = [(32, 64, 12), (40, 35, 17), (16, 32, 1), (100, 96, 40), (17, 3, 25)]

  private struct Matrix {
    let tiles: Guarded<UInt8>

    init(_ format: martlet_format, _ weights: [Float], columns: Int) {
      let bytes = martlet_tile_bytes(format, columns)
      let rows = weights.count / columns
      tiles = Guarded(count: (rows + 15) / 16 * bytes, alignment: 64)
      for first in stride(from: 0, to: rows, by: 16) {
        let part = Array(weights[first * columns..<min(rows, first + 16) * columns])
        martlet_pack_float_tile(
          format, part, part.count / columns, columns, tiles.pointer + first / 16 * bytes)
      }
    }
  }

  /// The float32 result as `prepare` rounds it, bit for bit; GELU within what it may lose.
  @Test(arguments: Table.all, [MARTLET_BFLOAT16_PAIRS, MARTLET_FLOAT32])
  func resultsInPairsAreThoseInFloat32(table: Table, format: martlet_format) {
    for (rows, columns, tokens) in Self.shapes {
      var source = SeededValues(seed: UInt64(rows))
      let matrices = (0..<2).map { _ in
        Matrix(format, source.normals(rows * columns, scale: 0.3), columns: columns)
      }
      let (bias, x) = (Guarded(source.normals(rows)), source.normals(tokens * columns))
      let prepared = Guarded<UInt8>(
        count: martlet_prepared_bytes(format, columns, tokens), alignment: 64)
      table.kernels.prepare(
        format, Guarded(x).pointer, columns, tokens, 0, (tokens + 11) / 12, prepared.pointer)
      for activation in [MARTLET_IDENTITY, MARTLET_SILU, MARTLET_GATED_GELU, MARTLET_GELU] {
        let output = Guarded<Float>(count: tokens * rows)
        let pairs = Pairs(rows: tokens, columns: rows)
        pairs.bytes.pointer.update(repeating: 0xff, count: pairs.bytes.count)
        var product = martlet_product(
          format: format, activation: activation, adds: false, weights: matrices[0].tiles.pointer,
          gate: matrices[1].tiles.pointer, bias: bias.pointer, gate_bias: nil, rows: rows,
          columns: columns, prepared: prepared.pointer, tokens: tokens, output: output.pointer,
          output_stride: rows, pairs: nil)
        table.kernels.multiply(&product, 0, (rows + 15) / 16)
        product.output = nil
        product.pairs = UnsafeMutableRawPointer(pairs.bytes.pointer)
        // A group of 32 columns may be two workers'.
        for tile in (0..<(rows + 15) / 16).reversed() where rows % 3 == 1 {
          table.kernels.multiply(&product, tile, tile + 1)
        }
        if rows % 3 != 1 { table.kernels.multiply(&product, 0, (rows + 15) / 16) }
        let expected = Pairs(table.kernels, output.values, columns: rows)
        for t in 0..<tokens {
          for column in 0..<(rows + 31) / 32 * 32 {
            let (value, exact) = (pairs[t, column], expected[t, column])
            guard activation == MARTLET_GELU else {
              #expect(value == exact, "\(activation), row \(t), column \(column)")
              continue
            }
            #expect(abs(value - exact) <= 1e-4 + abs(exact) / 128)
          }
        }
      }
    }
  }

  /// Weights and results are rounded to 8 bits.
  @Test(arguments: Table.all, TextCase.all)
  fileprivate func attentionMatchesTheDefinition(table: Table, c: TextCase) {
    let text = PreparedText(c)
    #expect(relativeError(text.run(table.kernels), text.exact()) < 3e-3)
  }

  @Test(arguments: Table.all, TextCase.all)
  fileprivate func textsDoNotDependOnTheirNeighbours(table: Table, c: TextCase) {
    let text = PreparedText(c)
    let whole = patterns(text.run(table.kernels))
    #expect(patterns(text.run(table.kernels, alone: true)) == whole)
    for step in [1, 5, 13] { #expect(patterns(text.run(table.kernels, step: step)) == whole) }
  }
}

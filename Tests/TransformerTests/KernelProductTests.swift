// Matrix products of every format: against double precision, against the oracle, alone and in
// batches, at the limits of the integers, with values that break careless code.

import CKernels
import Testing

/// A packed matrix with what it stands for, and products with it.
private struct PackedMatrix {
  let format: martlet_format
  let rows: Int
  let columns: Int
  let tiles: Guarded<UInt8>
  let exact: [Float]  // dequantised, row-major; for nf4 with the scales of the tiles

  static let tileRows = Int(MARTLET_TILE_ROWS)
  var tileCount: Int { (rows + Self.tileRows - 1) / Self.tileRows }

  init(_ format: martlet_format, rows: Int, columns: Int, weights: [Float]) {
    (self.format, self.rows, self.columns) = (format, rows, columns)
    let bytes = martlet_tile_bytes(format, columns)
    let count = (rows + Self.tileRows - 1) / Self.tileRows
    tiles = Guarded(count: count * bytes, alignment: 64)
    var exact: [Float] = []
    for tile in 0..<count {
      let range = tile * Self.tileRows..<min(rows, (tile + 1) * Self.tileRows)
      let part = Array(weights[range.lowerBound * columns..<range.upperBound * columns])
      exact += Self.pack(format, part, columns: columns, into: tiles.pointer + tile * bytes)
    }
    self.exact = exact
  }

  private static func pack(
    _ format: martlet_format, _ rows: [Float], columns: Int, into tile: UnsafeMutablePointer<UInt8>
  ) -> [Float] {
    let count = rows.count / columns
    let group = martlet_format_group(format)
    var codes = [UInt8](repeating: 0, count: rows.count)
    var scales = [UInt16](repeating: 0, count: rows.count / group)
    let kernels = Table.portable.kernels
    switch format {
    case MARTLET_INT8: kernels.quantize_int8(rows, count, columns, &codes, &scales)
    case MARTLET_INT4, MARTLET_INT4_STEPPED:
      kernels.quantize_int4(rows, count, columns, &codes, &scales)
    case MARTLET_NF4:
      var absmax = [Float](repeating: 0, count: rows.count / group)
      martlet_nf4_quantize(rows, rows.count, &codes, &absmax)
      scales = absmax.map { Float16($0).bitPattern }
      #expect(martlet_pack_tile(format, codes, scales, count, columns, tile))
      var values = [Float](repeating: 0, count: rows.count)
      martlet_nf4_dequantize(
        codes, scales.map { Float(Float16(bitPattern: $0)) }, rows.count, &values)
      return values
    default:
      martlet_pack_float_tile(format, rows, count, columns, tile)
    }
    if group > 1 { #expect(martlet_pack_tile(format, codes, scales, count, columns, tile)) }
    var values = [Float](repeating: 0, count: rows.count)
    for row in 0..<count {
      values.withUnsafeMutableBufferPointer { values in
        guard let base = values.baseAddress else { return }
        martlet_dequantize_row(format, tile, row, columns, base + row * columns)
      }
    }
    return values
  }

  func prepared(_ kernels: martlet_kernels, _ x: Guarded<Float>, tokens: Int) -> Guarded<UInt8> {
    let prepared = Guarded<UInt8>(
      count: martlet_prepared_bytes(format, columns, tokens), alignment: 64)
    let blocks = (tokens - 1) / martlet_token_block(format) + 1
    kernels.prepare(format, x.pointer, columns, tokens, 0, blocks, prepared.pointer)
    return prepared
  }

  func multiply(
    _ kernels: martlet_kernels, _ x: [Float], activation: martlet_activation = MARTLET_IDENTITY,
    gate: PackedMatrix? = nil, bias: [Float]? = nil, gateBias: [Float]? = nil,
    addingTo start: [Float]? = nil, tileSplit: Int = 0
  ) -> [Float] {
    let tokens = x.count / columns
    let activations = prepared(kernels, Guarded(x), tokens: tokens)
    let output = Guarded(start ?? [Float](repeating: .nan, count: tokens * rows))
    var product = martlet_product(
      format: format, activation: activation, adds: start != nil, weights: tiles.pointer,
      gate: gate?.tiles.pointer, bias: bias.map { Guarded($0).pointer },
      gate_bias: gateBias.map { Guarded($0).pointer }, rows: rows, columns: columns,
      prepared: activations.pointer, tokens: tokens, output: output.pointer, output_stride: rows,
      pairs: nil)
    if tileSplit > 0 { kernels.multiply(&product, 0, tileSplit) }
    kernels.multiply(&product, tileSplit, tileCount)
    return output.values
  }

  func exactProduct(_ x: [Float]) -> [Double] {
    var result: [Double] = []
    for t in 0..<x.count / columns {
      for row in 0..<rows {
        var sum = 0.0
        for k in 0..<columns {
          sum += Double(exact[row * columns + k]) * Double(x[t * columns + k])
        }
        result.append(sum)
      }
    }
    return result
  }
}

/// A format with the relative error that its product may have against its own dequantised weights.
struct ProductFormat: Sendable, CustomStringConvertible {
  let format: martlet_format
  let description: String
  let tolerance: Double
  /// Integer products are equal in every table, bit for bit; float ones only within one.
  let isInteger: Bool

  static let all = [
    ProductFormat(
      format: MARTLET_FLOAT32, description: "float32", tolerance: 1e-6, isInteger: false),
    ProductFormat(
      format: MARTLET_FLOAT16, description: "float16", tolerance: 1e-6, isInteger: false),
    ProductFormat(
      format: MARTLET_BFLOAT16, description: "bfloat16", tolerance: 1e-6, isInteger: false),
    ProductFormat(
      format: MARTLET_BFLOAT16_PAIRS, description: "bfloat16 pairs", tolerance: 4e-3,
      isInteger: false),
    ProductFormat(format: MARTLET_INT8, description: "int8", tolerance: 1.1e-2, isInteger: true),
    ProductFormat(format: MARTLET_INT4, description: "int4", tolerance: 1.1e-2, isInteger: true),
    ProductFormat(
      format: MARTLET_INT4_STEPPED, description: "int4 stepped", tolerance: 1.1e-2,
      isInteger: true),
    ProductFormat(format: MARTLET_NF4, description: "nf4", tolerance: 2.2e-3, isInteger: true),
  ]
}

@Suite struct KernelProductTests {
  /// Rows, columns in units of the group, tokens: odd tails of tiles, groups and token blocks.
  static let shapes = [(1, 1, 1), (16, 2, 1), (40, 3, 5), (17, 5, 17), (64, 4, 29), (33, 7, 13)]

  private func columns(_ format: martlet_format, _ units: Int) -> Int {
    units * max(martlet_format_group(format), 32) + (martlet_format_group(format) == 1 ? 3 : 0)
  }

  @Test(arguments: ProductFormat.all, shapes)
  func productsAreRight(format: ProductFormat, shape: (Int, Int, Int)) throws {
    let (rows, units, tokens) = shape
    let columns = columns(format.format, units)
    var source = SeededValues(seed: UInt64(rows * 100 + columns))
    let matrix = PackedMatrix(
      format.format, rows: rows, columns: columns, weights: source.normals(rows * columns))
    let x = source.normals(tokens * columns)
    let exact = matrix.exactProduct(x)
    let results = Table.all.map { matrix.multiply($0.kernels, x) }
    for (table, result) in zip(Table.all, results) {
      #expect(relativeError(result, exact) < format.tolerance, "\(table)")
    }
    if format.isInteger {
      for result in results { #expect(patterns(result) == patterns(results[0])) }
    }
  }

  @Test(arguments: ProductFormat.all, Table.all)
  func columnsDoNotDependOnTheirNeighbours(format: ProductFormat, table: Table) {
    let (rows, tokens) = (50, 45)
    let columns = columns(format.format, 5)
    var source = SeededValues(seed: 11)
    let matrix = PackedMatrix(
      format.format, rows: rows, columns: columns, weights: source.normals(rows * columns))
    let x = source.normals(tokens * columns)
    let whole = patterns(matrix.multiply(table.kernels, x))
    for step in [1, 2, 3, 12, 16, 31] {
      var pieces: [UInt32] = []
      for start in stride(from: 0, to: tokens, by: step) {
        let end = min(start + step, tokens)
        pieces += patterns(
          matrix.multiply(table.kernels, Array(x[start * columns..<end * columns])))
      }
      #expect(pieces == whole, "in pieces of \(step)")
    }
  }

  /// Bias, activation and sum in the product are those of the kernels on their own, bit for bit.
  @Test(arguments: ProductFormat.all, Table.all)
  func whatFollowsAProductIsExact(format: ProductFormat, table: Table) {
    // Few tokens, and as many as codes are unpacked for.
    for tokens in [19, 45] { checkWhatFollows(format: format, table: table, tokens: tokens) }
  }

  private func checkWhatFollows(format: ProductFormat, table: Table, tokens: Int) {
    let rows = 37
    let columns = columns(format.format, 3)
    var source = SeededValues(seed: 16)
    let (matrix, gate) = (
      PackedMatrix(
        format.format, rows: rows, columns: columns, weights: source.normals(rows * columns)),
      PackedMatrix(
        format.format, rows: rows, columns: columns, weights: source.normals(rows * columns))
    )
    let x = source.normals(tokens * columns)
    let (bias, gateBias) = (source.normals(rows), source.normals(rows))
    let start = source.normals(tokens * rows)
    let plus = { (y: [Float], b: [Float]) in y.indices.map { y[$0] + b[$0 % rows] } }
    let sums = plus(matrix.multiply(table.kernels, x), bias)
    let gates = plus(gate.multiply(table.kernels, x), gateBias)
    let after = Guarded<Float>(count: sums.count)
    for (activation, gate) in [
      (MARTLET_IDENTITY, nil), (MARTLET_SILU, nil), (MARTLET_GELU, nil), (MARTLET_GELU_TANH, nil),
      (MARTLET_GATED_SILU, gate), (MARTLET_GATED_GELU, gate), (MARTLET_GATED_GELU_TANH, gate),
    ] as [(martlet_activation, PackedMatrix?)] {
      switch activation {
      case MARTLET_SILU: table.kernels.silu(sums, sums.count, after.pointer)
      case MARTLET_GELU: table.kernels.gelu(sums, sums.count, after.pointer)
      case MARTLET_GELU_TANH: table.kernels.gelu_tanh(sums, sums.count, after.pointer)
      case MARTLET_GATED_GELU:
        table.kernels.gelu(gates, sums.count, after.pointer)
        table.kernels.multiply_values(after.pointer, sums, sums.count, after.pointer)
      case MARTLET_GATED_GELU_TANH:
        table.kernels.gelu_tanh(gates, sums.count, after.pointer)
        table.kernels.multiply_values(after.pointer, sums, sums.count, after.pointer)
      case MARTLET_GATED_SILU:
        table.kernels.silu_multiply(gates, sums, sums.count, after.pointer)
      default: after.pointer.update(from: sums, count: sums.count)
      }
      let whole = matrix.multiply(
        table.kernels, x, activation: activation, gate: gate, bias: bias, gateBias: gateBias)
      #expect(patterns(whole) == patterns(after.values))
      let added = matrix.multiply(
        table.kernels, x, activation: activation, gate: gate, bias: bias, gateBias: gateBias,
        addingTo: start)
      #expect(patterns(added) == patterns(zip(start, after.values).map { $0 + $1 }))
    }
  }

  /// With numbers that bfloat16 holds, products of pairs are those of float32 but for the order of sums.
  @Test(arguments: Table.all, shapes)
  func pairsLoseNothingButWhatRoundingTakes(table: Table, shape: (Int, Int, Int)) {
    let (rows, units, tokens) = shape
    let columns = 32 * units + 3
    var source = SeededValues(seed: 18)
    func rounded(_ count: Int) -> [Float] {
      source.normals(count).map { Float(bitPattern: $0.bitPattern & 0xffff_0000) }
    }
    let weights = rounded(rows * columns)
    let x = rounded(tokens * columns)
    let pairs = PackedMatrix(
      MARTLET_BFLOAT16_PAIRS, rows: rows, columns: columns, weights: weights)
    #expect(pairs.exact == weights)
    #expect(relativeError(pairs.multiply(table.kernels, x), pairs.exactProduct(x)) < 1e-6)
  }

  /// Every code and every activation at its limit: no integer accumulator may overflow.
  @Test(arguments: ProductFormat.all, Table.all)
  func extremesDoNotOverflow(format: ProductFormat, table: Table) {
    let columns = columns(format.format, 4)
    for (weight, activation) in [(1, 1), (-1, 1), (1, -1), (-1, -1)] as [(Float, Float)] {
      let matrix = PackedMatrix(
        format.format, rows: 16, columns: columns,
        weights: [Float](repeating: weight, count: 16 * columns))
      let x = [Float](repeating: activation, count: columns)
      let expected = Double(weight * activation) * Double(columns)
      for value in matrix.multiply(table.kernels, x) {
        #expect(abs(Double(value) - expected) < 2e-3 * Double(columns))
      }
    }
  }

  @Test(arguments: ProductFormat.all, Table.all)
  func strangeValuesDoNotCrash(format: ProductFormat, table: Table) {
    let columns = columns(format.format, 4)
    var source = SeededValues(seed: 12)
    let odd: [Float] = [
      0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 1e-38,
    ]
    for strange in odd {
      var weights = source.normals(20 * columns)
      weights[5] = strange
      var x = source.normals(3 * columns)
      x[columns + 1] = strange
      let matrix = PackedMatrix(format.format, rows: 20, columns: columns, weights: weights)
      let result = matrix.multiply(table.kernels, x)
      // The first token has ordinary activations: rows with ordinary weights stay finite.
      #expect((1..<20).allSatisfy { result[$0].isFinite }, "\(strange)")
      let isExtreme = !strange.isFinite
      if isExtreme { #expect((1..<20).allSatisfy { !result[20 + $0].isFinite }, "\(strange)") }
    }
    let zeros = PackedMatrix(
      format.format, rows: 20, columns: columns,
      weights: [Float](repeating: 0, count: 20 * columns))
    #expect(zeros.multiply(table.kernels, source.normals(columns)).allSatisfy { $0 == 0 })
  }

  /// Sizes at random, tiles in two calls, values that break careless code among the activations.
  @Test(arguments: ProductFormat.all.filter(\.isInteger), Table.vectors)
  func anyShapeEqualsTheOracle(format: ProductFormat, table: Table) {
    var source = SeededValues(seed: 17)
    func random(_ limit: Int) -> Int { 1 + Int(source.next() % UInt64(limit)) }
    for round in 0..<30 {
      let (rows, tokens) = (random(70), random(40))
      let columns = columns(format.format, random(9))
      let matrix = PackedMatrix(
        format.format, rows: rows, columns: columns, weights: source.normals(rows * columns))
      var x = source.normals(tokens * columns)
      if round % 3 == 0 {
        for value in [.leastNonzeroMagnitude, .infinity, .nan, 1e-38, 1e32, 1e34] as [Float] {
          x[random(x.count) - 1] = value
        }
      }
      let split = random(matrix.tileCount)
      let pieces = matrix.multiply(table.kernels, x, tileSplit: split)
      let whole = matrix.multiply(Table.portable.kernels, x)
      #expect(patterns(pieces) == patterns(whole), "\(rows) x \(columns), \(tokens) tokens")
    }
  }

  /// A long prompt's share: several strips of columns, several parts of tokens, tails of both.
  @Test(arguments: ProductFormat.all.filter(\.isInteger), Table.vectors)
  func manyTokensEqualTheOracle(format: ProductFormat, table: Table) {
    let (rows, columns, tokens) = (75, 35 * martlet_format_group(format.format), 269)
    var source = SeededValues(seed: 19)
    let matrix = PackedMatrix(
      format.format, rows: rows, columns: columns, weights: source.normals(rows * columns))
    let x = source.normals(tokens * columns)
    let start = source.normals(tokens * rows)
    let pieces = matrix.multiply(table.kernels, x, addingTo: start, tileSplit: 2)
    let whole = matrix.multiply(Table.portable.kernels, x, addingTo: start)
    #expect(patterns(pieces) == patterns(whole))
  }

  @Test(arguments: Table.vectors, [32, 160, 480, 512, 544, 1600])
  func quantisersAgreeBitForBit(vector: Table, columns: Int) {
    var source = SeededValues(seed: 13)
    let count = 3 * columns
    var x = source.normals(count)
    x[3] = .leastNonzeroMagnitude
    if columns > 500 {
      for i in 128..<160 { x[i] = 0 }
      for i in 192..<224 { x[i] = 1e-38 }
      for i in 256..<288 { x[i] = i % 2 == 0 ? 1 : -1 }
      x[columns + 70] = .nan
      x[2 * columns + 100] = .infinity
    }
    for quantize in [\martlet_kernels.quantize_int4, \martlet_kernels.quantize_int8] {
      let results = [vector, Table.portable].map { table in
        let codes = Guarded<UInt8>(count: count)
        let scales = Guarded<UInt16>(count: count / 32)
        table.kernels[keyPath: quantize](
          Guarded(x).pointer, 3, columns, codes.pointer, scales.pointer)
        return (codes.values, scales.values)
      }
      #expect(results[0].0 == results[1].0)
      #expect(results[0].1 == results[1].1)
    }
  }

  /// Steps take the place of scales; what is computed stays the same bit for bit.
  @Test(arguments: Table.all, [1, 3, 4, 9])
  func steppedScalesChangeNothing(table: Table, groups: Int) {
    let (rows, columns) = (37, 32 * groups)
    var source = SeededValues(seed: 20)
    let weights = source.normals(rows * columns)
    for tokens in [1, 5, 45] {
      let x = source.normals(tokens * columns)
      let results = [MARTLET_INT4, MARTLET_INT4_STEPPED].map { format in
        let matrix = PackedMatrix(format, rows: rows, columns: columns, weights: weights)
        return (matrix.exact, patterns(matrix.multiply(table.kernels, x)))
      }
      #expect(results[0].0 == results[1].0)
      #expect(results[0].1 == results[1].1)
    }
  }

  /// Whatever a row's magnitudes are, its scales are steps that fit a byte.
  @Test(arguments: [1e-12, 1e-7, 3e-6, 4e-4, 1, 7e4, 5e5, 1e30, 3e38] as [Float])
  func scalesOfAnySizeAreSteps(size: Float) {
    var source = SeededValues(seed: 21)
    let columns = 640
    var weights = source.normals(16 * columns).map { $0 / 8 * size }
    for column in 0..<columns where column / 32 % 3 == 0 { weights[column] *= 1e-3 }
    let matrix = PackedMatrix(
      MARTLET_INT4_STEPPED, rows: 16, columns: columns, weights: weights)
    #expect(!matrix.exact.contains { !$0.isFinite })
    if (1e-6...1e5).contains(size) {
      let error = zip(weights, matrix.exact).map { abs($0 - $1) }.max() ?? 0
      #expect(error < 0.12 * size)
    }
  }

  @Test(arguments: [
    [1, 1.0078125] as [Float16], [.infinity], [.nan], [128, 1], [65504, 0x1p-24],
  ])
  func scalesWithoutStepsAreRefused(scales: [Float16]) {
    let columns = 32 * scales.count
    let tile = Guarded<UInt8>(
      count: martlet_tile_bytes(MARTLET_INT4_STEPPED, columns), alignment: 64)
    let codes = [UInt8](repeating: 8, count: columns)
    #expect(
      !martlet_pack_tile(
        MARTLET_INT4_STEPPED, codes, scales.map(\.bitPattern), 1, columns, tile.pointer))
  }

  @Test func steppedRowsComeBack() {
    let (rows, columns) = (11, 160)
    var source = SeededValues(seed: 22)
    let codes = (0..<rows * columns).map { _ in UInt8(truncatingIfNeeded: source.next()) & 15 }
    // 3 * 2^-10 times -127...127, at least one of them odd and prime to the others.
    let steps = (0..<rows * 5).map { i in
      i % 5 == 0 ? 127 : Float(Int(source.next() % 255) - 127)
    }
    let scales = steps.map { Float16($0 * 3 / 1024).bitPattern }
    let tile = Guarded<UInt8>(
      count: martlet_tile_bytes(MARTLET_INT4_STEPPED, columns), alignment: 64)
    #expect(martlet_pack_tile(MARTLET_INT4_STEPPED, codes, scales, rows, columns, tile.pointer))
    for row in 0..<rows {
      let rowCodes = Guarded<UInt8>(count: columns)
      let rowScales = Guarded<UInt16>(count: 5)
      let rowSteps = Guarded<Int8>(count: 5)
      martlet_unpack_row(
        MARTLET_INT4_STEPPED, tile.pointer, row, columns, rowCodes.pointer, rowScales.pointer)
      let step = martlet_unpack_steps(tile.pointer, row, columns, rowSteps.pointer)
      #expect(rowCodes.values == Array(codes[row * columns..<(row + 1) * columns]))
      let expected = scales[row * 5..<row * 5 + 5].map { Float16(bitPattern: $0) }
      #expect(rowScales.values.map { Float16(bitPattern: $0) } == expected)
      #expect(rowSteps.values.map { Float16(Float($0) * step) } == expected)
    }
  }

  @Test(arguments: [MARTLET_INT8, MARTLET_INT4, MARTLET_NF4])
  func packedCodesComeBack(format: martlet_format) {
    var source = SeededValues(seed: 14)
    let group = martlet_format_group(format)
    let (rows, columns) = (11, 3 * group)
    let codes = (0..<rows * columns).map { _ in
      UInt8(truncatingIfNeeded: source.next()) & (format == MARTLET_INT8 ? 255 : 15)
    }
    let scales = (0..<rows * 3).map { _ in UInt16(truncatingIfNeeded: source.next()) }
    let tile = Guarded<UInt8>(count: martlet_tile_bytes(format, columns), alignment: 64)
    #expect(martlet_pack_tile(format, codes, scales, rows, columns, tile.pointer))
    for row in 0..<rows {
      let rowCodes = Guarded<UInt8>(count: columns)
      let rowScales = Guarded<UInt16>(count: 3)
      martlet_unpack_row(format, tile.pointer, row, columns, rowCodes.pointer, rowScales.pointer)
      #expect(rowCodes.values == Array(codes[row * columns..<(row + 1) * columns]))
      #expect(rowScales.values == Array(scales[row * 3..<(row + 1) * 3]))
    }
  }
}

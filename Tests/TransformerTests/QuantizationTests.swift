// WeightMatrix: products against its own rows, independence of threads and batches, what rounding
// costs, and what it refuses.

import CKernels
import Compute
import Quantization
import Synchronization
import Testing

@testable import Transformer

@Suite struct WeightMatrixTests {
  static let formats = WeightFormat.allCases

  private func matrix(
    _ weights: [Float], rows: Int, format: WeightFormat, threads: Int = 2
  ) throws -> WeightMatrix {
    let columns = weights.count / rows
    return try WeightMatrix(
      rows: rows, columns: columns, format: format,
      pool: ThreadPool(threads: threads, niceness: 0)
    ) { range, output in
      for (i, k) in (range.lowerBound * columns..<range.upperBound * columns).enumerated() {
        output[i] = weights[k]
      }
    }
  }

  private func multiply(_ matrix: WeightMatrix, _ x: [Float], threads: Int = 2) -> [Float] {
    let tokens = x.count / matrix.columns
    let (input, output) = (Guarded(x), Guarded<Float>(count: tokens * matrix.rows))
    Linear(weight: matrix, bias: nil).apply(
      Activations(base: input.pointer, rows: tokens, columns: matrix.columns),
      into: Activations(base: output.pointer, rows: tokens, columns: matrix.rows),
      pool: ThreadPool(threads: threads, niceness: 0))
    return output.values
  }

  private func dequantized(_ matrix: WeightMatrix) -> [Float] {
    var values = [Float](repeating: 0, count: matrix.rows * matrix.columns)
    values.withUnsafeMutableBufferPointer { values in
      guard let base = values.baseAddress else { return }
      for row in 0..<matrix.rows { matrix.dequantizeRow(row, into: base + row * matrix.columns) }
    }
    return values
  }

  /// Against the matrix's own dequantised rows; quantised formats and pairs round their inputs, too.
  @Test(arguments: formats) func productsMatchTheRows(format: WeightFormat) throws {
    let (rows, columns, tokens) = (70, 320, 150)
    var source = SeededValues(seed: 21)
    let matrix = try matrix(source.normals(rows * columns), rows: rows, format: format)
    let weights = dequantized(matrix)
    let x = source.normals(tokens * columns)
    var exact: [Double] = []
    for t in 0..<tokens {
      for row in 0..<rows {
        var sum = 0.0
        for k in 0..<columns {
          sum += Double(weights[row * columns + k]) * Double(x[t * columns + k])
        }
        exact.append(sum)
      }
    }
    let bounds: [WeightFormat: Double] = [
      .int8: 1.1e-2, .int4: 1.1e-2, .int4Stepped: 1.1e-2, .nf4: 2.2e-3, .bfloat16Pairs: 2.2e-3,
    ]
    let tolerance = bounds[format] ?? 1e-6
    #expect(relativeError(multiply(matrix, x), exact) < tolerance)
  }

  @Test(arguments: formats) func threadsAndBatchesChangeNothing(format: WeightFormat) throws {
    let (rows, columns, tokens) = (100, 192, 261)  // two passes of 128 tokens and some
    var source = SeededValues(seed: 22)
    let weights = source.normals(rows * columns)
    let x = source.normals(tokens * columns)
    let one = try matrix(weights, rows: rows, format: format, threads: 1)
    let two = try matrix(weights, rows: rows, format: format, threads: 2)
    let whole = patterns(multiply(one, x, threads: 1))
    #expect(patterns(multiply(two, x, threads: 2)) == whole)
    #expect(patterns(multiply(two, x, threads: 3)) == whole)
    var pieces: [UInt32] = []
    for t in 0..<tokens {
      pieces += patterns(multiply(two, Array(x[t * columns..<(t + 1) * columns])))
    }
    #expect(pieces == whole)
  }

  /// Rounding a normal weight: bounds a little above what each format is known to cost.
  @Test(arguments: formats) func quantisationKeepsTheWeights(format: WeightFormat) throws {
    var source = SeededValues(seed: 23)
    let weights = source.normals(64 * 512, scale: 0.02)
    let values = dequantized(try matrix(weights, rows: 64, format: format))
    let bounds: [WeightFormat: Double] = [
      .float32: 0, .float16: 3e-4, .bfloat16: 2e-3, .bfloat16Pairs: 2e-3, .int8: 6e-3, .int4: 0.082,
      .int4Stepped: 0.082, .nf4: 0.098,
    ]
    let bound = try #require(bounds[format])
    #expect(relativeError(values, weights.map(Double.init)) <= bound)
  }

  /// The plain way, largest magnitude over 7, is what the search must beat.
  @Test func int4SearchBeatsTheLargestMagnitude() throws {
    var source = SeededValues(seed: 24)
    let weights = source.normals(16 * 1024)
    let searched = dequantized(try matrix(weights, rows: 16, format: .int4))
    var plain: [Float] = []
    for start in stride(from: 0, to: weights.count, by: 32) {
      let group = weights[start..<start + 32]
      let scale = (group.map { abs($0) }.max() ?? 1) / 7
      plain += group.map { ($0 / scale).rounded() * scale }
    }
    let exact = weights.map(Double.init)
    #expect(relativeError(searched, exact) < 0.9 * relativeError(plain, exact))
  }

  /// The error that the search minimises, each value's weighed by its square plus the row's mean square,
  /// beside that of five hundred scales for each group, clipping or not.
  @Test func int4SearchIsNearTheBestScales() throws {
    var source = SeededValues(seed: 25)
    let weights = source.normals(4 * 512)
    let searched = dequantized(try matrix(weights, rows: 4, format: .int4))
    var (found, best) = (0.0, 0.0)
    for row in stride(from: 0, to: weights.count, by: 512) {
      let meanSquare = weights[row..<row + 512].reduce(0) { $0 + $1 * $1 } / 512
      for start in stride(from: row, to: row + 512, by: 32) {
        func error(_ value: (Int) -> Float) -> Float {
          (start..<start + 32).reduce(0) { sum, i in
            let difference = value(i) - weights[i]
            return sum + difference * difference * (weights[i] * weights[i] + meanSquare)
          }
        }
        let peak = weights[start..<start + 32].max { abs($0) < abs($1) } ?? 0
        found += Double(error { Float(searched[$0]) })
        best += Double(
          stride(from: Float(5), to: 10, by: 0.01).map { target in
            let scale = peak / -target
            return error { min(max((weights[$0] / scale).rounded(), -8), 7) * scale }
          }.min() ?? 0)
      }
    }
    #expect(found < 1.03 * best)
  }

  @Test(arguments: [(33, WeightFormat.int4), (16, .int8), (96, .nf4), (0, .float32)])
  func widthsThatAFormatCannotHoldAreRefused(columns: Int, format: WeightFormat) {
    #expect(!format.supports(columns: columns))
    let error = #expect(throws: QuantizationError.self) {
      try WeightMatrix(
        rows: 4, columns: columns, format: format, pool: ThreadPool(threads: 1)
      ) { _, _ in }
    }
    #expect(error?.description.contains("4 x \(columns)") == true)
  }

  private struct Unreadable: Error {}

  @Test func errorsOfTheSourceAreThrown() {
    #expect(throws: Unreadable.self) {
      try WeightMatrix(
        rows: 100, columns: 64, format: .int4, pool: ThreadPool(threads: 2, niceness: 0)
      ) { range, _ in
        if range.contains(50) { throw Unreadable() }
      }
    }
  }

  @Test func eachRowIsAskedForOnce() throws {
    let asked = Mutex<[Range<Int>]>([])
    _ = try WeightMatrix(
      rows: 75, columns: 8, format: .float32, pool: ThreadPool(threads: 2, niceness: 0)
    ) { range, output in
      asked.withLock { $0.append(range) }
      output.initialize(repeating: 0, count: range.count * 8)
    }
    let ranges = asked.withLock { $0.sorted { $0.lowerBound < $1.lowerBound } }
    #expect(ranges.allSatisfy { $0.count <= 16 })
    #expect(ranges.flatMap { Array($0) } == Array(0..<75))
  }

  @Test func storedScalesThatAreNoStepsAreRefused() {
    let codes = OddScales()
    #expect(throws: QuantizationError.scalesWithoutSteps) {
      try WeightMatrix(
        rows: 20, columns: 64, format: .int4Stepped, codes: codes,
        pool: ThreadPool(threads: 2, niceness: 0))
    }
  }

  @Test func bitsPerWeightAreAsDesigned() throws {
    let weights = [Float](repeating: 1, count: 128 * 1024)
    func bits(_ format: WeightFormat) throws -> Double {
      Double(try matrix(weights, rows: 128, format: format).packedByteCount * 8)
        / Double(weights.count)
    }
    #expect(try bits(.int4) == 4.5)
    #expect(try bits(.int4Stepped) == 4.25 + 32.0 / 1024)
    #expect(try bits(.int8) == 8.5)
    #expect(try bits(.nf4) == 4.25)
    #expect(try bits(.bfloat16) == 16)
  }
}

/// A stepped matrix as no quantiser of ours writes it.
private struct OddScales: QuantizedElements {
  let exactFormat: WeightFormat? = .int4Stepped
  let typeName = "odd"

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    for i in 0..<elements.count { output[i] = 0 }
  }

  func readCodes(
    rows: Range<Int>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>
  ) {
    for i in 0..<rows.count * 64 { codes[i] = 8 }
    for i in 0..<rows.count * 2 { scales[i] = (i % 2 == 0 ? 1 : 0.333 as Float16).bitPattern }
  }
}

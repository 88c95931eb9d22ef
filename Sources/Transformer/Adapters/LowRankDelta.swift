// scale * B A as numbers, a row at a time, for what needs the changed weights themselves: the norms
// that DoRA divides by, and merging. Sums run in the order of ranks.

import Checkpoints
import Compute
import Synchronization

struct LowRankDelta: Sendable {
  /// [rank][columns]
  private let input: [Float]
  /// [rows][rank]
  private let output: [Float]
  private let rank: Int
  private let columns: Int
  private let scale: Float

  let rows: Int

  /// Of a matrix stored [outputs, inputs], or of its transpose: of embeddings, and where weights are
  /// stored [inputs, outputs].
  init(_ lowRank: ModuleChange.LowRank, isTransposed: Bool) {
    let (a, b) = (lowRank.input.values(), lowRank.output.values())
    rank = lowRank.rank
    scale = lowRank.scale
    let (inputs, outputs) = (lowRank.input.shape[1], lowRank.output.shape[0])
    input = isTransposed ? Self.transposed(b, rows: outputs, columns: rank) : a
    output = isTransposed ? Self.transposed(a, rows: rank, columns: inputs) : b
    (rows, columns) = isTransposed ? (inputs, outputs) : (outputs, inputs)
  }

  /// values[column] += scale * (B A)[row][column]
  func add(row: Int, to values: UnsafeMutablePointer<Float>) {
    input.withUnsafeBufferPointer { input in
      for index in 0..<rank {
        let factor = scale * output[row * rank + index]
        let start = index * columns
        for column in 0..<columns { values[column] += factor * input[start + column] }
      }
    }
  }

  static func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
    }
    return result
  }
}

extension LowRankDelta {
  /// Euclidean norms of the rows of W + scale * B A.
  /// - Parameter base: writes a row of W, from any thread
  func rowNorms(
    pool: ThreadPool, base: @escaping @Sendable (Int, UnsafeMutablePointer<Float>) -> Void
  ) -> [Float] {
    let norms = Mutex([Float](repeating: 0, count: rows))
    pool.parallelFor(rows, grain: 16) { range in
      let part = withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { buffer in
        range.map { row -> Float in
          guard let values = buffer.baseAddress else { return 0 }
          base(row, values)
          add(row: row, to: values)
          return Float(buffer.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
        }
      }
      norms.withLock { $0.replaceSubrange(range, with: part) }
    }
    return norms.withLock { $0 }
  }

  /// Euclidean norms of the columns of W + scale * B A.
  func columnNorms(base: (Int, UnsafeMutablePointer<Float>) -> Void) -> [Float] {
    var sums = [Double](repeating: 0, count: columns)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { buffer in
      guard let values = buffer.baseAddress else { return }
      for row in 0..<rows {
        base(row, values)
        add(row: row, to: values)
        for column in 0..<columns {
          sums[column] += Double(values[column]) * Double(values[column])
        }
      }
    }
    return sums.map { Float($0.squareRoot()) }
  }
}

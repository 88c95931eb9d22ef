// A weight with an adapter's change in it, computed in float32 a row at a time as peft merges
// (`merge_and_unload`). Relies on the shapes having been checked.

import Checkpoints
import Compute

struct MergedWeight: Sendable {
  let rows: Int
  let columns: Int
  private let base: CheckpointTensor
  private let delta: LowRankDelta?
  /// DoRA: each row gets this norm.
  private var rowNorms: [Float]?
  private var rowFactors: [Float]?
  private var columnFactors: [Float]?

  /// - Parameters:
  ///   - base: [rows, columns]
  ///   - isTransposed: rows are inputs: of embeddings, and where weights are stored so
  init(_ base: CheckpointTensor, _ change: ModuleChange, isTransposed: Bool) {
    let base = change.weight ?? base
    self.base = base
    (rows, columns) = (base.shape[0], base.shape[1])
    delta = change.lowRank.map { LowRankDelta($0, isTransposed: isTransposed) }
    if let magnitude = change.lowRank?.magnitude?.values(), let delta {
      if isTransposed {
        let width = columns
        let norms = delta.columnNorms {
          base.read($0 * width..<($0 + 1) * width, into: $1)
        }
        columnFactors = zip(magnitude, norms).map { $0 / $1 }
      } else {
        rowNorms = magnitude
      }
    }
    guard let scaling = change.scaling else { return }
    if scaling.multipliesInputs == isTransposed {
      rowFactors = scaling.factors.values()
    } else {
      columnFactors = scaling.factors.values()
    }
  }

  /// The rows of a range, row-major.
  func read(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>, pool: ThreadPool) {
    // SAFETY: each row of the output is written by one worker.
    nonisolated(unsafe) let output = output
    pool.parallelFor(range.count, grain: 4) { part in
      for index in part { read(range.lowerBound + index, into: output + index * columns) }
    }
  }

  private func read(_ row: Int, into values: UnsafeMutablePointer<Float>) {
    base.read(row * columns..<(row + 1) * columns, into: values)
    delta?.add(row: row, to: values)
    var factor: Float = rowFactors?[row] ?? 1
    if let rowNorms {
      let norm = (0..<columns).reduce(0.0) { $0 + Double(values[$1]) * Double(values[$1]) }
      factor *= rowNorms[row] / Float(norm.squareRoot())
    }
    if factor != 1 {
      for column in 0..<columns { values[column] *= factor }
    }
    if let columnFactors {
      for column in 0..<columns { values[column] *= columnFactors[column] }
    }
  }
}

extension ModuleChange {
  /// What becomes of the module's bias.
  func merged(bias: [Float]) -> [Float] {
    var bias = self.bias?.values() ?? bias
    if let lowRank, let own = lowRank.bias {
      bias = zip(bias, own.values()).map { $0 + lowRank.scale * $1 }
    }
    if let scaling, !scaling.multipliesInputs {
      bias = zip(bias, scaling.factors.values()).map { $0 * $1 }
    }
    return bias
  }
}

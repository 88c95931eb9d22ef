// Where weights come from: a checkpoint's tensors, or random numbers for measuring speed. Rows are
// converted to float32 a tile at a time, so that no matrix is ever in memory twice.

import Checkpoints
import Compute
import Quantization

enum WeightSource: Sendable {
  case checkpoint(Checkpoint)
  /// Uniform numbers of variance 1 / columns, the same in every run.
  case random(stored: WeightFormat)

  /// The element type that a tensor is stored in; refuses tensors of another shape.
  func format(of item: WeightManifest.Item) throws(ModelError) -> WeightFormat {
    switch self {
    case .checkpoint(let checkpoint):
      try checkpoint.tensor(item.name, shape: item.shape).format
    case .random(let stored): stored
    }
  }

  func vector(_ name: String, count: Int) throws(ModelError) -> [Float] {
    switch self {
    case .checkpoint(let checkpoint):
      try checkpoint.tensor(name, shape: [count]).values()
    case .random: Array(repeating: name.hasSuffix(".bias") ? 0 : 1, count: count)
    }
  }

  /// A matrix's codes, where it is stored in that very format.
  func codes(of name: String, rows: Int, columns: Int, format: WeightFormat) throws(ModelError)
    -> (any QuantizedElements)?
  {
    guard case .checkpoint(let checkpoint) = self, format.isQuantized else { return nil }
    let tensor = try checkpoint.tensor(name, shape: [rows, columns])
    guard let elements = tensor.elements as? any QuantizedElements else { return nil }
    return elements.exactFormat == format ? elements : nil
  }

  /// What reads rows of a matrix as float32, row-major, from any thread.
  func rows(
    of name: String, rows: Int, columns: Int
  ) throws(ModelError) -> @Sendable (Range<Int>, UnsafeMutablePointer<Float>) -> Void {
    switch self {
    case .checkpoint(let checkpoint):
      let tensor = try checkpoint.tensor(name, shape: [rows, columns])
      return { tensor.read($0.lowerBound * columns..<$0.upperBound * columns, into: $1) }
    case .random:
      let seed = name.utf8.reduce(UInt64(14_695_981_039_346_656_037)) {
        ($0 ^ UInt64($1)) &* 1_099_511_628_211  // FNV-1a
      }
      return {
        fillRandomly($1, count: $0.count * columns, columns: columns, seed: seed, start: $0)
      }
    }
  }

  /// A matrix in memory of its own.
  func matrix(_ name: String, rows: Int, columns: Int, format: WeightFormat, pool: ThreadPool)
    throws(ModelError) -> WeightMatrix
  {
    do {
      if let codes = try codes(of: name, rows: rows, columns: columns, format: format) {
        return try WeightMatrix(
          rows: rows, columns: columns, format: format, codes: codes, pool: pool)
      }
      return try WeightMatrix(
        rows: rows, columns: columns, format: format, pool: pool,
        row: self.rows(of: name, rows: rows, columns: columns))
    } catch let error as ModelError {
      throw error
    } catch {
      throw .unloadableTensor(name: name, reason: "\(error)")
    }
  }
}

/// Uniform in +-sqrt(3 / columns): what keeps activations at the size they have.
private func fillRandomly(
  _ output: UnsafeMutablePointer<Float>, count: Int, columns: Int, seed: UInt64, start: Range<Int>
) {
  let scale = (3 / Float(columns)).squareRoot() / Float(1 << 15)
  var state = (seed &+ UInt64(start.lowerBound) &* 0x9E37_79B9_7F4A_7C15) | 1
  for index in 0..<count {
    // xorshift64
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    output[index] = Float(Int16(truncatingIfNeeded: state >> 32)) * scale
  }
}

// Elements of a tensor that is cut out of a stored one, or rearranged, or scaled row by row: what
// `StoredPart` says, done while reading. Codes of quantised matrices are taken over where rows stay
// whole. Relies on the selection lying within the stored matrix, which `Checkpoint` checks.

import Compute
package import Quantization

/// Chosen rows of a matrix [rows][columns], or of a bias, which has one column.
package struct SelectedRows: QuantizedElements {
  let elements: any TensorElements
  let columns: Int
  let selection: RowSelection

  package init(elements: any TensorElements, columns: Int, selection: RowSelection) {
    self.elements = elements
    self.columns = columns
    self.selection = selection
  }

  /// nf4's scales are quantised in groups that straddle rows: they are worked out anew.
  package var exactFormat: WeightFormat? {
    let format = (elements as? any QuantizedElements)?.exactFormat
    return format == .nf4 ? nil : format
  }
  package var format: WeightFormat { elements.format }
  package var typeName: String { elements.typeName }

  package func read(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    var element = range.lowerBound
    while element < range.upperBound {
      let (row, column) = element.quotientAndRemainder(dividingBy: columns)
      let count = min(columns - column, range.upperBound - element)
      let first = selection.storedRow(row) * columns + column
      elements.read(first..<first + count, into: output + element - range.lowerBound)
      element += count
    }
  }

  package func readCodes(
    rows: Range<Int>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>
  ) {
    guard let elements = elements as? any QuantizedElements else { return }
    let groups = columns / format.groupSize
    for (index, row) in rows.enumerated() {
      let stored = selection.storedRow(row)
      elements.readCodes(
        rows: stored..<stored + 1, codes: codes + index * columns, scales: scales + index * groups)
    }
  }
}

/// A matrix whose rows are divided by their length, but never by less than 1e-12, as
/// torch.nn.functional.normalize does it.
struct NormalizedRows: TensorElements {
  let elements: any TensorElements
  let columns: Int

  let format = WeightFormat.float32
  var typeName: String { elements.typeName }

  func read(_ range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    var row = [Float](repeating: 0, count: columns)
    var element = range.lowerBound
    while element < range.upperBound {
      let (index, column) = element.quotientAndRemainder(dividingBy: columns)
      let count = min(columns - column, range.upperBound - element)
      row.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress {
          elements.read(index * columns..<(index + 1) * columns, into: base)
        }
      }
      normalizeLength(&row)
      (output + element - range.lowerBound).update(
        from: Array(row[column..<column + count]), count: count)
      element += count
    }
  }
}

/// Divides by the Euclidean length, as torch.nn.functional.normalize: never by less than 1e-12.
package func normalizeLength(_ vector: inout [Float]) {
  let length = Swift.max(vector.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
  for index in vector.indices { vector[index] /= length }
}

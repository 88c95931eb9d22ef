// Unsigned integers of 4 or 8 bits, packed into 32-bit words in the ways that checkpoints do.
// Relies on the tensor's shape having been checked against the layout.

struct PackedIntegers: Sendable {
  /// Of a matrix of outputs (rows) by inputs (columns), whatever its stored shape.
  enum Layout: Sendable {
    /// A word holds consecutive inputs of one output; words are [inputs][outputs]: GPTQ.
    case inputsOfOutput
    /// A word holds outputs of one input, in the order that AWQ gives them; [inputs][outputs].
    case outputsOfInput
    /// A word holds consecutive inputs of one output; words are [outputs][inputs].
    case rowMajor
  }

  let stored: StoredTensor
  let layout: Layout
  let bits: Int
  let rows: Int
  let columns: Int

  var perWord: Int { 32 / bits }

  /// Which nibble of a word holds output j of 8: the inverse of AWQ's 0, 2, 4, 6, 1, 3, 5, 7.
  static let nibbleOfOutput = [0, 4, 1, 5, 2, 6, 3, 7]

  /// Values of some rows, [rows][columns], one to a byte.
  func read(rows range: Range<Int>, into output: UnsafeMutablePointer<UInt8>) {
    stored.withBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      switch layout {
      case .inputsOfOutput: readInputsOfOutput(base, range, output)
      case .outputsOfInput: readOutputsOfInput(base, range, output)
      case .rowMajor: readRowMajor(base, range, output)
      }
    }
  }

  private func word(_ base: UnsafeRawPointer, _ index: Int) -> UInt32 {
    base.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self)
  }

  private var mask: UInt32 { (1 << UInt32(bits)) - 1 }

  private func readInputsOfOutput(
    _ base: UnsafeRawPointer, _ range: Range<Int>, _ output: UnsafeMutablePointer<UInt8>
  ) {
    for block in 0..<columns / perWord {
      for row in range {
        var word = word(base, block * rows + row)
        let place = output + (row - range.lowerBound) * columns + block * perWord
        for index in 0..<perWord {
          place[index] = UInt8(truncatingIfNeeded: word & mask)
          word >>= UInt32(bits)
        }
      }
    }
  }

  private func readOutputsOfInput(
    _ base: UnsafeRawPointer, _ range: Range<Int>, _ output: UnsafeMutablePointer<UInt8>
  ) {
    let wordsPerInput = rows / perWord
    for column in 0..<columns {
      for row in range {
        let (index, part) = row.quotientAndRemainder(dividingBy: perWord)
        let word = word(base, column * wordsPerInput + index)
        let shift = UInt32(bits * (bits == 4 ? Self.nibbleOfOutput[part] : part))
        output[(row - range.lowerBound) * columns + column] =
          UInt8(truncatingIfNeeded: word >> shift & mask)
      }
    }
  }

  private func readRowMajor(
    _ base: UnsafeRawPointer, _ range: Range<Int>, _ output: UnsafeMutablePointer<UInt8>
  ) {
    let wordsPerRow = (columns + perWord - 1) / perWord
    for row in range {
      let place = output + (row - range.lowerBound) * columns
      for column in 0..<columns {
        let word = word(base, row * wordsPerRow + column / perWord)
        place[column] = UInt8(
          truncatingIfNeeded: word >> UInt32(bits * (column % perWord)) & mask)
      }
    }
  }
}

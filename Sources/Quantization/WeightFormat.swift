// The formats in which a weight matrix can be kept. A format is one case here, one TilePacker that
// quantises rows into it, and its product in each kernel table.

package import CKernels

package enum WeightFormat: String, Sendable, CaseIterable {
  case float32, float16, bfloat16, int8, int4, nf4
  /// int4 whose scales are whole steps, at most 127, of one number per row: they take a byte each.
  case int4Stepped
  /// bfloat16 whose products round activations to bfloat16, too.
  case bfloat16Pairs

  /// Codes with scales, not numbers by themselves.
  package var isQuantized: Bool { groupSize > 1 }

  var isInt4: Bool { self == .int4 || self == .int4Stepped }

  /// Columns come in multiples of this; a matrix of another width stays unquantised.
  package var groupSize: Int { martlet_format_group(kernelFormat) }

  package func supports(columns: Int) -> Bool { columns > 0 && columns % groupSize == 0 }

  /// Bytes of a matrix's packed tiles, which a product reads; nil where the format can't hold it.
  package func tileByteCount(rows: Int, columns: Int) -> Int? {
    guard rows > 0, supports(columns: columns) else { return nil }
    let tiles = (rows + WeightMatrix.tileRows - 1) / WeightMatrix.tileRows
    let (bytes, overflow) = tiles.multipliedReportingOverflow(
      by: martlet_tile_bytes(kernelFormat, columns))
    return overflow ? nil : bytes
  }

  /// Bytes of a matrix: its tiles, and for nf4 the exact absmax values behind them.
  package func byteCount(rows: Int, columns: Int) -> Int? {
    tileByteCount(rows: rows, columns: columns).map {
      self == .nf4 ? $0 + NF4Absmax.byteCount(blockCount: rows * (columns / groupSize)) : $0
    }
  }

  package var kernelFormat: martlet_format {
    switch self {
    case .float32: MARTLET_FLOAT32
    case .float16: MARTLET_FLOAT16
    case .bfloat16: MARTLET_BFLOAT16
    case .int8: MARTLET_INT8
    case .int4: MARTLET_INT4
    case .int4Stepped: MARTLET_INT4_STEPPED
    case .nf4: MARTLET_NF4
    case .bfloat16Pairs: MARTLET_BFLOAT16_PAIRS
    }
  }
}

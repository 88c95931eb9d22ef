// The formats in which a weight matrix can be kept. A format is one case here, one TilePacker that
// quantises rows into it, and its product in each kernel table.

package import CKernels

package enum WeightFormat: String, Sendable, CaseIterable {
  case float32, float16, bfloat16, int8, int4, nf4

  /// Columns come in multiples of this; a matrix of another width stays unquantised.
  package var groupSize: Int { martlet_format_group(kernelFormat) }

  package func supports(columns: Int) -> Bool { columns > 0 && columns % groupSize == 0 }

  package var kernelFormat: martlet_format {
    switch self {
    case .float32: MARTLET_FLOAT32
    case .float16: MARTLET_FLOAT16
    case .bfloat16: MARTLET_BFLOAT16
    case .int8: MARTLET_INT8
    case .int4: MARTLET_INT4
    case .nf4: MARTLET_NF4
    }
  }
}

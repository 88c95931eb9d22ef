// The types of GGUF's tensors that are read (ggml.h, `ggml_type`): numbers by themselves, or blocks
// of 32 or 256 numbers along a row.

import Quantization

enum GGUFType: UInt32, Sendable, CaseIterable, CustomStringConvertible {
  case float32 = 0
  case float16 = 1
  case q4Zero = 2
  case q4One = 3
  case q5Zero = 6
  case q5One = 7
  case q8Zero = 8
  case q2K = 10
  case q3K = 11
  case q4K = 12
  case q5K = 13
  case q6K = 14
  case iq4Nonlinear = 20
  case iq4ExtraSmall = 23
  case bfloat16 = 30

  /// Numbers in a block.
  var blockSize: Int {
    switch self {
    case .float32, .float16, .bfloat16: 1
    case .q4Zero, .q4One, .q5Zero, .q5One, .q8Zero, .iq4Nonlinear: 32
    case .q2K, .q3K, .q4K, .q5K, .q6K, .iq4ExtraSmall: 256
    }
  }

  var blockBytes: Int {
    switch self {
    case .float32: 4
    case .float16, .bfloat16: 2
    case .q4Zero, .iq4Nonlinear: 18
    case .q4One: 20
    case .q5Zero: 22
    case .q5One: 24
    case .q8Zero: 34
    case .q2K: 84
    case .q3K: 110
    case .q4K: 144
    case .q5K: 176
    case .q6K: 210
    case .iq4ExtraSmall: 136
    }
  }

  /// Types of numbers by themselves.
  var elementType: ElementType? {
    switch self {
    case .float32: .float32
    case .float16: .float16
    case .bfloat16: .bfloat16
    default: nil
    }
  }

  /// The format that holds blocks as they are: integers of at most 8 bits with one float16 scale.
  var exactFormat: WeightFormat? {
    switch self {
    case .q4Zero: .int4
    case .q5Zero, .q8Zero, .iq4Nonlinear: .int8
    default: nil
    }
  }

  var description: String {
    switch self {
    case .float32: "F32"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .q4Zero: "Q4_0"
    case .q4One: "Q4_1"
    case .q5Zero: "Q5_0"
    case .q5One: "Q5_1"
    case .q8Zero: "Q8_0"
    case .q2K: "Q2_K"
    case .q3K: "Q3_K"
    case .q4K: "Q4_K"
    case .q5K: "Q5_K"
    case .q6K: "Q6_K"
    case .iq4Nonlinear: "IQ4_NL"
    case .iq4ExtraSmall: "IQ4_XS"
    }
  }

  /// Bytes of a tensor; nil where its rows are no whole blocks, or where that is beyond counting.
  func byteCount(shape: [Int]) -> Int? {
    guard let count = shape.checkedProduct, (shape.last ?? 1) % blockSize == 0 else { return nil }
    let (bytes, overflow) = (count / blockSize).multipliedReportingOverflow(by: blockBytes)
    return overflow ? nil : bytes
  }
}

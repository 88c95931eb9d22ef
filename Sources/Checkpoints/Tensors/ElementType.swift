// The element types that a safetensors header may name. All of them are known, so that a header is
// checked completely; only some are read as numbers.
// https://github.com/huggingface/safetensors, `Dtype`.

package import Quantization

package enum ElementType: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case float64 = "F64"
  case complex64 = "C64"
  case bool = "BOOL"
  case int8 = "I8"
  case uint8 = "U8"
  case int16 = "I16"
  case uint16 = "U16"
  case int32 = "I32"
  case uint32 = "U32"
  case int64 = "I64"
  case uint64 = "U64"
  case float8E5M2 = "F8_E5M2"
  case float8E4M3 = "F8_E4M3"
  case float8E8M0 = "F8_E8M0"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case float4 = "F4"

  var bitCount: Int {
    switch self {
    case .float4: 4
    case .float6E2M3, .float6E3M2: 6
    case .bool, .int8, .uint8, .float8E5M2, .float8E4M3, .float8E8M0: 8
    case .float16, .bfloat16, .int16, .uint16: 16
    case .float32, .int32, .uint32: 32
    case .float64, .complex64, .int64, .uint64: 64
    }
  }

  /// The weight format that holds such elements as they are (float64 rounded); nil for types that
  /// are no weights by themselves.
  package var weightFormat: WeightFormat? {
    switch self {
    case .float32, .float64: .float32
    case .float16, .float8E4M3, .float8E5M2: .float16
    case .bfloat16: .bfloat16
    default: nil
    }
  }
}

// A matrix in the stored form: plain row-major codes and scales, whatever layout kernels like.
//
//   float formats: NAME, as it is
//   int8: NAME [rows, columns] I8, NAME.scales [rows, columns / 32] F16
//   int4: NAME [rows, columns / 2] U8, the even column in the low nibble, codes plus 8; scales as int8,
//         or, stepped, NAME.scale_codes [rows, columns / 32] I8 times NAME.row_scales [rows] F16
//   nf4:  bitsandbytes' own tensors, double-quantised unless the source was not
//
// `MartletCheckpoint` reads it back.

import CKernels
import Compute
import JSON
package import Quantization

package struct StoredMatrix {
  let name: String
  let matrix: WeightMatrix
  /// Scales of nf4 that are not double-quantised.
  var plainAbsmax: [Float]?

  package init(name: String, matrix: WeightMatrix, plainAbsmax: [Float]? = nil) {
    self.name = name
    self.matrix = matrix
    self.plainAbsmax = plainAbsmax
  }

  /// The scales' tensor of int8 and int4.
  static func scalesName(_ name: String) -> String { name + ".scales" }
  /// Those of stepped int4.
  static func scaleCodesName(_ name: String) -> String { name + ".scale_codes" }
  static func rowScalesName(_ name: String) -> String { name + ".row_scales" }

  // Announcing -------------------------------------------------------------------------------------

  /// The tensors of a matrix that is kept in a format.
  /// - Parameter nested: whether nf4's scales are double-quantised
  package static func tensors(
    name: String, rows: Int, columns: Int, format: WeightFormat, nested: Bool
  )
    -> [SafetensorsWriter.Tensor]
  {
    func tensor(_ suffix: String, _ type: ElementType, _ shape: [Int]) -> SafetensorsWriter.Tensor {
      SafetensorsWriter.Tensor(name: name + suffix, elementType: type, shape: shape)
    }
    let scales = tensor(".scales", .float16, [rows, columns / max(1, format.groupSize)])
    switch format {
    case .float32, .float16, .bfloat16, .bfloat16Pairs:
      return [tensor("", format.elementType, [rows, columns])]
    case .int8: return [tensor("", .int8, [rows, columns]), scales]
    case .int4: return [tensor("", .uint8, [rows, columns / 2]), scales]
    case .int4Stepped:
      return [
        tensor("", .uint8, [rows, columns / 2]),
        tensor(".scale_codes", .int8, [rows, columns / format.groupSize]),
        tensor(".row_scales", .float16, [rows]),
      ]
    case .nf4:
      let blocks = rows * (columns / format.groupSize)
      let nestedBlock = Int(MARTLET_NF4_NESTED_BLOCK)
      let state = state(rows: rows, columns: columns, offset: nested ? 0 : nil)
      let parts = [
        tensor("", .uint8, [rows * columns / 2, 1]),
        tensor(".absmax", nested ? .uint8 : .float32, [blocks]),
        tensor(".quant_map", .float32, [16]),
        tensor(".quant_state.bitsandbytes__nf4", .uint8, [state.count]),
      ]
      guard nested else { return parts }
      return parts + [
        tensor(".nested_quant_map", .float32, [256]),
        tensor(".nested_absmax", .float32, [(blocks + nestedBlock - 1) / nestedBlock]),
      ]
    }
  }

  private static let longestNumber = 32

  /// bitsandbytes' JSON text. Its length must be known before the offset is: it is filled up with
  /// spaces.
  private static func state(rows: Int, columns: Int, offset: Float?) -> [UInt8] {
    var state: JSONObject = [
      "quant_type": "nf4", "blocksize": .integer(Int64(MARTLET_NF4_BLOCK)), "dtype": "float32",
      "shape": [.integer(Int64(rows)), .integer(Int64(columns))],
    ]
    guard let offset else { return JSONValue.object(state).serialized() }
    state["nested_blocksize"] = .integer(Int64(MARTLET_NF4_NESTED_BLOCK))
    state["nested_dtype"] = "float32"
    state["nested_offset"] = 0
    let length = JSONValue.object(state).serialized().count + longestNumber
    state["nested_offset"] = .double(Double(offset))
    let text = JSONValue.object(state).serialized()
    return text + Array(repeating: UInt8(ascii: " "), count: length - text.count)
  }

  // Writing ----------------------------------------------------------------------------------------

  package func write(to writer: SafetensorsWriter) throws(ModelError) {
    switch matrix.format {
    case .float32, .float16, .bfloat16, .bfloat16Pairs: try writeFloats(to: writer)
    case .int8, .int4:
      let scales = try writeCodes(to: writer)
      try writer.append(scales)
    case .int4Stepped:
      _ = try writeCodes(to: writer)
      try writeSteps(to: writer)
    case .nf4:
      _ = try writeCodes(to: writer)
      try writeAbsmax(to: writer)
    }
  }

  private func writeSteps(to writer: SafetensorsWriter) throws(ModelError) {
    var steps = [Int8](repeating: 0, count: matrix.columns / matrix.format.groupSize)
    var rowScales: [UInt16] = []
    for row in 0..<matrix.rows {
      rowScales.append(martlet_half_from_float(matrix.unpackSteps(row, into: &steps)))
      try writer.append(steps.map { UInt8(bitPattern: $0) })
    }
    try writer.append(rowScales)
  }

  private func writeAbsmax(to writer: SafetensorsWriter) throws(ModelError) {
    let values = withUnsafeBytes(of: martlet_nf4_values) { Array($0) }
    let (rows, columns) = (matrix.rows, matrix.columns)
    if let plainAbsmax {
      try writer.append(plainAbsmax)
      try writer.append(values)
      try writer.append(Self.state(rows: rows, columns: columns, offset: nil))
    } else if let absmax = matrix.absmax?.parts {
      try writer.append(absmax.codes)
      try writer.append(values)
      try writer.append(Self.state(rows: rows, columns: columns, offset: absmax.offset))
      try writer.append(withUnsafeBytes(of: martlet_dynamic_map) { Array($0) })
      try writer.append(absmax.nested)
    }
  }

  private func writeFloats(to writer: SafetensorsWriter) throws(ModelError) {
    var values = [Float](repeating: 0, count: matrix.columns)
    for row in 0..<matrix.rows {
      values.withUnsafeMutableBufferPointer { buffer in
        if let base = buffer.baseAddress { matrix.dequantizeRow(row, into: base) }
      }
      try writer.append(values, as: matrix.format)
    }
  }

  /// All codes, row by row; the scales are returned.
  private func writeCodes(to writer: SafetensorsWriter) throws(ModelError) -> [UInt16] {
    let (columns, groups) = (matrix.columns, matrix.columns / matrix.format.groupSize)
    var codes = [UInt8](repeating: 0, count: columns)
    var rowScales = [UInt16](repeating: 0, count: groups)
    var scales: [UInt16] = []
    scales.reserveCapacity(matrix.rows * groups)
    for row in 0..<matrix.rows {
      matrix.unpackRow(row, codes: &codes, scales: &rowScales)
      scales += rowScales
      switch matrix.format {
      case .int4, .int4Stepped: try writer.append(packed(codes, firstShift: 0))
      case .nf4: try writer.append(packed(codes, firstShift: 4))
      default: try writer.append(codes)
      }
    }
    return scales
  }

  /// Two codes to a byte, the first of them shifted left by so many bits.
  private func packed(_ codes: [UInt8], firstShift: UInt8) -> [UInt8] {
    (0..<codes.count / 2).map { index in
      codes[2 * index] << firstShift | codes[2 * index + 1] << (4 - firstShift)
    }
  }
}

extension WeightFormat {
  /// Of a float format.
  package var elementType: ElementType {
    switch self {
    case .float16: .float16
    case .bfloat16: .bfloat16
    default: .float32
    }
  }
}

extension SafetensorsWriter {
  /// Numbers in a float format, which holds them exactly.
  package func append(_ values: [Float], as format: WeightFormat) throws(ModelError) {
    guard format == .float16 || format == .bfloat16 else { return try append(values) }
    let convert = format == .float16 ? kernels.float_to_half : kernels.float_to_bfloat
    var halves = [UInt16](repeating: 0, count: values.count)
    convert(values, values.count, &halves)
    try append(halves)
  }
}

// What `martlet quantize` writes, read back: int8 and int4 as codes with float16 scales per group of
// 32, nf4 as bitsandbytes stores it. `StoredMatrix` tells the layout. Refuses versions of the form
// that it doesn't know.

import CKernels
package import JSON
package import Quantization

package struct MartletCheckpoint: QuantizedMatrices {
  static let method = "martlet"
  static let version = 1

  let preferredScheme: QuantizationScheme

  /// What config.json says of such a checkpoint's quantisation.
  package static func configuration(_ scheme: QuantizationScheme) -> JSONValue {
    [
      "quant_method": .string(method), "version": .integer(Int64(version)),
      "scheme": .string(scheme.rawValue),
    ]
  }

  init(_ file: ConfigurationFile) throws(ModelError) {
    let version = try file.requiredInteger("version", in: 0...Int(Int32.max))
    guard version == Self.version else {
      throw file.unsupported("version", "\(version)", supported: ["\(Self.version)"])
    }
    let name = try file.string("scheme") ?? "unnamed"
    guard let scheme = QuantizationScheme(rawValue: name) else {
      throw file.unsupported(
        "scheme", name, supported: QuantizationScheme.allCases.map(\.rawValue))
    }
    preferredScheme = scheme
  }

  func elements(of name: String, rows: Int, columns: Int, in tensors: StoredTensors)
    throws(ModelError) -> (any QuantizedElements)?
  {
    if tensors[BitsAndBytesCheckpoint.stateName(name, "nf4")] != nil {
      return try FourBitElements(
        name: name, type: "nf4", rows: rows, columns: columns, tensors: tensors)
    }
    let scales = StoredMatrix.scalesName(name)
    guard tensors[scales] != nil else { return nil }
    let isNibbles = tensors[name]?.elementType == .uint8
    let format: WeightFormat = isNibbles ? .int4 : .int8
    guard format.supports(columns: columns) else {
      throw .unloadableTensor(
        name: name, reason: "\(columns) columns are no multiple of \(format.groupSize)")
    }
    return GroupElements(
      format: format, columns: columns,
      codes: try tensors.required(
        name, shape: [rows, isNibbles ? columns / 2 : columns], isNibbles ? .uint8 : .int8),
      scales: try tensors.required(
        scales, shape: [rows, columns / format.groupSize], .float16))
  }
}

/// Codes and scales as the formats int8 and int4 have them.
private struct GroupElements: QuantizedElements {
  let format: WeightFormat
  let columns: Int
  let codes: StoredTensor
  let scales: StoredTensor

  var exactFormat: WeightFormat? { format }
  var typeName: String { format.rawValue }

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    let offset: Float = format == .int4 ? 8 : 0
    withBytes { codes, scales in
      for element in elements {
        let code = code(codes, element)
        let value = format == .int4 ? Float(code) : Float(Int8(bitPattern: code))
        output[element - elements.lowerBound] =
          (value - offset) * martlet_float_from_half(scale(scales, element / format.groupSize))
      }
    }
  }

  func readCodes(
    rows: Range<Int>, codes output: UnsafeMutablePointer<UInt8>,
    scales outputScales: UnsafeMutablePointer<UInt16>
  ) {
    let elements = rows.lowerBound * columns..<rows.upperBound * columns
    let groups = elements.lowerBound / format.groupSize..<elements.upperBound / format.groupSize
    withBytes { codes, scales in
      for (index, element) in elements.enumerated() { output[index] = code(codes, element) }
      for (index, group) in groups.enumerated() { outputScales[index] = scale(scales, group) }
    }
  }

  private func withBytes(_ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void) {
    codes.withBytes { codes in scales.withBytes { scales in body(codes, scales) } }
  }

  private func code(_ bytes: UnsafeRawBufferPointer, _ element: Int) -> UInt8 {
    guard format == .int4 else { return bytes[element] }
    return element % 2 == 0 ? bytes[element / 2] & 15 : bytes[element / 2] >> 4
  }

  private func scale(_ bytes: UnsafeRawBufferPointer, _ group: Int) -> UInt16 {
    bytes.loadUnaligned(fromByteOffset: group * 2, as: UInt16.self)
  }
}

// What `martlet quantize` writes, read back: int8 and int4 as codes with scales per group of 32, nf4 as
// bitsandbytes stores it. `StoredMatrix` tells the layout. Refuses versions of the form that it doesn't
// know.

import CKernels
package import JSON
package import Quantization

package struct MartletCheckpoint: QuantizedMatrices {
  static let method = "martlet"
  /// 2: int4's scales may be codes themselves.
  static let version = 2

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
    guard (1...Self.version).contains(version) else {
      throw file.unsupported(
        "version", "\(version)", supported: (1...Self.version).map(String.init))
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
    let isStepped = tensors[StoredMatrix.scaleCodesName(name)] != nil
    guard isStepped || tensors[StoredMatrix.scalesName(name)] != nil else { return nil }
    let isNibbles = tensors[name]?.elementType == .uint8
    let format: WeightFormat = isStepped ? .int4Stepped : isNibbles ? .int4 : .int8
    guard format.supports(columns: columns) else {
      throw .unloadableTensor(
        name: name, reason: "\(columns) columns are no multiple of \(format.groupSize)")
    }
    return GroupElements(
      format: format, columns: columns,
      codes: try tensors.required(
        name, shape: [rows, format == .int8 ? columns : columns / 2],
        format == .int8 ? .int8 : .uint8),
      scales: try GroupScales(
        of: name, rows: rows, groupsPerRow: columns / format.groupSize, isStepped: isStepped,
        in: tensors))
  }
}

/// A matrix's scales [rows][groups].
private struct GroupScales {
  /// float16, or their codes.
  let scales: StoredTensor
  /// float16 [rows], where `scales` are codes: multiples of them.
  let rowScales: StoredTensor?
  let groupsPerRow: Int

  init(of name: String, rows: Int, groupsPerRow: Int, isStepped: Bool, in tensors: StoredTensors)
    throws(ModelError)
  {
    let shape = [rows, groupsPerRow]
    self.groupsPerRow = groupsPerRow
    guard isStepped else {
      scales = try tensors.required(StoredMatrix.scalesName(name), shape: shape, .float16)
      rowScales = nil
      return
    }
    scales = try tensors.required(StoredMatrix.scaleCodesName(name), shape: shape, .int8)
    rowScales = try tensors.required(StoredMatrix.rowScalesName(name), shape: [rows], .float16)
  }

  func withContents(_ body: (Contents) -> Void) {
    scales.withBytes { scales in
      guard let rowScales else {
        return body(Contents(scales: scales, rowScales: nil, groupsPerRow: groupsPerRow))
      }
      rowScales.withBytes {
        body(Contents(scales: scales, rowScales: $0, groupsPerRow: groupsPerRow))
      }
    }
  }

  struct Contents {
    let scales: UnsafeRawBufferPointer
    let rowScales: UnsafeRawBufferPointer?
    let groupsPerRow: Int

    /// A group's scale, a float16, by its index in the matrix.
    subscript(group: Int) -> UInt16 {
      guard let rowScales else {
        return scales.loadUnaligned(fromByteOffset: group * 2, as: UInt16.self)
      }
      let offset = group / groupsPerRow * 2
      let row = rowScales.loadUnaligned(fromByteOffset: offset, as: UInt16.self)
      let code = Int8(bitPattern: scales[group])
      return martlet_half_from_float(Float(code) * martlet_float_from_half(row))
    }
  }
}

/// Codes and scales as the formats int8 and int4 have them.
private struct GroupElements: QuantizedElements {
  let format: WeightFormat
  let columns: Int
  let codes: StoredTensor
  let scales: GroupScales

  var exactFormat: WeightFormat? { format }
  var typeName: String { format.rawValue }

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    withContents { codes, scales in
      for element in elements {
        let code = code(codes, element)
        let value = format == .int8 ? Float(Int8(bitPattern: code)) : Float(code) - 8
        output[element - elements.lowerBound] =
          value * martlet_float_from_half(scales[element / format.groupSize])
      }
    }
  }

  func readCodes(
    rows: Range<Int>, codes output: UnsafeMutablePointer<UInt8>,
    scales outputScales: UnsafeMutablePointer<UInt16>
  ) {
    let elements = rows.lowerBound * columns..<rows.upperBound * columns
    let groups = elements.lowerBound / format.groupSize..<elements.upperBound / format.groupSize
    withContents { codes, scales in
      for (index, element) in elements.enumerated() { output[index] = code(codes, element) }
      for (index, group) in groups.enumerated() { outputScales[index] = scales[group] }
    }
  }

  private func withContents(_ body: (UnsafeRawBufferPointer, GroupScales.Contents) -> Void) {
    codes.withBytes { codes in scales.withContents { body(codes, $0) } }
  }

  private func code(_ bytes: UnsafeRawBufferPointer, _ element: Int) -> UInt8 {
    guard format != .int8 else { return bytes[element] }
    return element % 2 == 0 ? bytes[element / 2] & 15 : bytes[element / 2] >> 4
  }
}

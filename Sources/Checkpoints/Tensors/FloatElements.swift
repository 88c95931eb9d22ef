// Elements of a tensor that are stored as floating-point numbers, of 8 to 64 bits. Relies on sizes
// having been checked when they were made, so that reading cannot fail.

import CKernels
import Compute
import Quantization

/// Elements that are floating-point numbers themselves.
package struct FloatElements: TensorElements {
  let format: WeightFormat
  var typeName: String { stored.elementType.rawValue }
  private let stored: StoredTensor

  /// Nil where they are something else.
  package init?(_ stored: StoredTensor) {
    guard let format = stored.elementType.weightFormat else { return nil }
    self.format = format
    self.stored = stored
  }

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    stored.withBytes { bytes in
      guard let base = bytes.baseAddress, !elements.isEmpty else { return }
      if let strides = stored.strides {
        for (index, element) in elements.enumerated() {
          let offset = offset(of: element, shape: stored.shape, strides: strides)
          convert(base, at: offset, count: 1, into: output + index)
        }
      } else {
        convert(base, at: elements.lowerBound, count: elements.count, into: output)
      }
    }
  }

  private func offset(of element: Int, shape: [Int], strides: [Int]) -> Int {
    var (rest, offset) = (element, 0)
    for dimension in shape.indices.reversed() {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: shape[dimension])
      offset += index * strides[dimension]
      rest = quotient
    }
    return offset
  }

  private func convert(
    _ base: UnsafeRawPointer, at first: Int, count: Int, into output: UnsafeMutablePointer<Float>
  ) {
    switch stored.elementType {
    case .float16: convert(base + first * 2, count: count, into: output, kernels.half_to_float)
    case .bfloat16: convert(base + first * 2, count: count, into: output, kernels.bfloat_to_float)
    case .float8E4M3, .float8E5M2:
      let values = stored.elementType == .float8E4M3 ? Float8.e4m3 : Float8.e5m2
      for index in 0..<count {
        output[index] = values[Int(base.load(fromByteOffset: first + index, as: UInt8.self))]
      }
    case .float64:
      for index in 0..<count {
        output[index] = Float(
          base.loadUnaligned(fromByteOffset: (first + index) * 8, as: Double.self))
      }
    default:
      UnsafeMutableRawPointer(output).copyMemory(from: base + first * 4, byteCount: count * 4)
    }
  }

  /// Converts 16-bit elements through a small aligned buffer: a header of odd length leaves the
  /// data of the file at odd addresses.
  private func convert(
    _ source: UnsafeRawPointer, count: Int, into output: UnsafeMutablePointer<Float>,
    _ kernel: (UnsafePointer<UInt16>, Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt16.self, capacity: min(count, 4096)) { buffer in
      guard let aligned = buffer.baseAddress else { return }
      var position = 0
      while position < count {
        let part = min(buffer.count, count - position)
        UnsafeMutableRawPointer(aligned)
          .copyMemory(from: source + position * 2, byteCount: part * 2)
        kernel(aligned, part, output + position)
        position += part
      }
    }
  }
}

/// The 256 values of the 8-bit float types (OCP 8-bit floating point specification, section 5).
enum Float8 {
  /// No infinities: the last code of each sign is NaN.
  static let e4m3 = (0..<256).map { code -> Float in
    code & 127 == 127 ? .nan : value(code, mantissaBits: 3, bias: 7)
  }

  static let e5m2 = (0..<256).map { code -> Float in
    guard code & 127 < 124 else {
      return code & 3 != 0 ? .nan : code < 128 ? .infinity : -.infinity
    }
    return value(code, mantissaBits: 2, bias: 15)
  }

  private static func value(_ code: Int, mantissaBits: Int, bias: Int) -> Float {
    let mantissa = code & ((1 << mantissaBits) - 1)
    let exponent = (code & 127) >> mantissaBits
    let significand = exponent == 0 ? mantissa : mantissa + (1 << mantissaBits)
    let magnitude = Float(
      sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: Float(significand)
    )
    return code < 128 ? magnitude : -magnitude
  }
}

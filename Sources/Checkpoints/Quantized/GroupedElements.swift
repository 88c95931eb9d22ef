// Integer codes with a scale and a zero point per output and group of inputs, which is what GPTQ,
// AWQ and compressed-tensors all come to: value = (code - zero) * scale in float32. Groups may be in
// any order (act-order). Kept exactly as int4 where all zero points are 8, as int8 where the
// differences fit; both only with groups of multiples of 32 and scales that float16 holds.

import CKernels
import Quantization

struct GroupedElements: QuantizedElements {
  let exactFormat: WeightFormat?
  var typeName: String { "int\(codes.bits)" }
  private let codes: PackedIntegers
  private let groups: Groups

  /// Of every output: scale and zero point of each group, [outputs][groups].
  struct Groups: Sendable {
    var scales: [Float]
    var zeros: [Int16]
    /// Inputs of a group.
    var size: Int
    /// The group of each input, where they are not one after the other.
    var indices: [Int32]?

    func count(columns: Int) -> Int { (columns + size - 1) / size }
  }

  init(codes: PackedIntegers, groups: Groups) {
    self.codes = codes
    self.groups = groups
    exactFormat = Self.exactFormat(codes, groups)
  }

  private static func exactFormat(_ codes: PackedIntegers, _ groups: Groups) -> WeightFormat? {
    let group = Int(MARTLET_GROUP)
    guard groups.indices == nil, groups.size % group == 0, codes.columns % group == 0,
      let least = groups.zeros.min(), let greatest = groups.zeros.max(),
      groups.scales.allSatisfy({ martlet_float_from_half(martlet_half_from_float($0)) == $0 })
    else { return nil }
    if codes.bits == 4, least == 8, greatest == 8 { return .int4 }
    let largestCode = (1 << codes.bits) - 1
    return Int(greatest) <= 128 && largestCode - Int(least) <= 127 ? .int8 : nil
  }

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    let columns = codes.columns
    guard columns > 0, !elements.isEmpty else { return }
    let rows = elements.lowerBound / columns..<(elements.upperBound - 1) / columns + 1
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: rows.count * columns) { buffer in
      guard let values = buffer.baseAddress else { return }
      codes.read(rows: rows, into: values)
      for row in rows {
        let first = row * columns
        let part = max(first, elements.lowerBound)..<min(first + columns, elements.upperBound)
        for element in part {
          let value = values[element - rows.lowerBound * columns]
          output[element - elements.lowerBound] = dequantized(value, row, element - first)
        }
      }
    }
  }

  private func dequantized(_ code: UInt8, _ row: Int, _ column: Int) -> Float {
    let group = groups.indices.map { Int($0[column]) } ?? column / groups.size
    let index = row * groups.count(columns: codes.columns) + group
    return Float(Int16(code) - groups.zeros[index]) * groups.scales[index]
  }

  func readCodes(
    rows: Range<Int>, codes output: UnsafeMutablePointer<UInt8>,
    scales: UnsafeMutablePointer<UInt16>
  ) {
    let (columns, group) = (codes.columns, Int(MARTLET_GROUP))
    let (groupCount, perRow) = (groups.count(columns: columns), columns / group)
    codes.read(rows: rows, into: output)
    for (index, row) in rows.enumerated() {
      for column in stride(from: 0, to: columns, by: group) {
        let source = row * groupCount + column / groups.size
        scales[index * perRow + column / group] = martlet_half_from_float(groups.scales[source])
        guard exactFormat == .int8 else { continue }
        let place = output + index * columns + column
        for k in 0..<group {
          place[k] = UInt8(truncatingIfNeeded: Int16(place[k]) - groups.zeros[source])
        }
      }
    }
  }
}

// AWQ as AutoAWQ writes it in its version "gemm": `qweight` [inputs, outputs / 8] of words with eight
// outputs, the nibbles from the lowest one on being outputs 0, 2, 4, 6, 1, 3, 5, 7; `qzeros`
// [groups, outputs / 8] likewise, `scales` [groups, outputs]. Refuses other versions and bits.

import Quantization

struct AWQCheckpoint: QuantizedMatrices {
  private static let bits = 4
  private static let perWord = 8

  /// Nil: one group per output.
  private let groupSize: Int?

  let preferredScheme = QuantizationScheme.int8

  init(_ file: ConfigurationFile) throws(ModelError) {
    let bits = try file.integer(file["bits"] == nil ? "w_bit" : "bits", in: 1...16) ?? 4
    guard bits == Self.bits else { throw file.unsupported("bits", "\(bits)", supported: ["4"]) }
    let version = try file.string("version") ?? "gemm"
    guard ["gemm", "GEMM"].contains(version) else {
      throw file.unsupported("version", version, supported: ["gemm"])
    }
    groupSize = try file.groupSize(file["group_size"] == nil ? "q_group_size" : "group_size")
  }

  func elements(of name: String, rows: Int, columns: Int, in tensors: StoredTensors)
    throws(ModelError) -> (any QuantizedElements)?
  {
    let stem = stem(name)
    guard tensors[stem + ".qweight"] != nil else { return nil }
    guard rows % Self.perWord == 0 else {
      throw .unloadableTensor(name: name, reason: "AWQ packs 8 rows to a word, but it has \(rows)")
    }
    let wordCount = rows / Self.perWord
    let words = try tensors.required(
      stem + ".qweight", shape: [columns, wordCount], .int32, .uint32)
    let size = groupSize ?? columns
    let count = (columns + size - 1) / size
    let zeros = try tensors.integers(stem + ".qzeros", shape: [count, wordCount])
    let scales = try tensors.floats(stem + ".scales", shape: [count, rows])
    let groups = GroupedElements.Groups(
      scales: transposed(scales, rows: count, columns: rows),
      zeros: (0..<rows * count).map { index in
        let (row, group) = index.quotientAndRemainder(dividingBy: count)
        let nibble = PackedIntegers.nibbleOfOutput[row % Self.perWord]
        let word = zeros[group * wordCount + row / Self.perWord]
        return Int16(word >> Int32(Self.bits * nibble) & 15)
      },
      size: size)
    return GroupedElements(
      codes: PackedIntegers(
        stored: words, layout: .outputsOfInput, bits: Self.bits, rows: rows, columns: columns),
      groups: groups)
  }
}

// GPTQ as AutoGPTQ and GPTQModel write it: `qweight` [inputs / n, outputs] of words with n
// consecutive inputs, `qzeros` [groups, outputs / n], `scales` [groups, outputs] and, with act-order,
// `g_idx` [inputs]. Format "gptq" stores zero points minus one, "gptq_v2" as they are. Refuses 2 and
// 3 bits, and Marlin's order of the same.

import Quantization

struct GPTQCheckpoint: QuantizedMatrices {
  private let bits: Int
  /// Nil: one group per output.
  private let groupSize: Int?
  private let zeroOffset: Int16

  let preferredScheme = QuantizationScheme.int8

  init(_ file: ConfigurationFile) throws(ModelError) {
    bits = try file.requiredInteger("bits", in: 1...16)
    guard bits == 4 || bits == 8 else {
      throw file.unsupported("bits", "\(bits)", supported: ["4", "8"])
    }
    groupSize = try file.groupSize("group_size")
    let format = try file.string("checkpoint_format") ?? "gptq"
    switch format {
    case "gptq": zeroOffset = 1
    case "gptq_v2": zeroOffset = 0
    default:
      throw file.unsupported("checkpoint_format", format, supported: ["gptq", "gptq_v2"])
    }
    guard try file.bool("is_marlin_format") != true else {
      throw file.unsupported("is_marlin_format", "true", supported: ["false"])
    }
  }

  func elements(of name: String, rows: Int, columns: Int, in tensors: StoredTensors)
    throws(ModelError) -> (any QuantizedElements)?
  {
    let (stem, perWord) = (stem(name), 32 / bits)
    guard tensors[stem + ".qweight"] != nil else { return nil }
    guard columns % perWord == 0, rows % perWord == 0 else {
      throw .unloadableTensor(
        name: name,
        reason: "GPTQ packs \(perWord) numbers to a word, which does not divide its "
          + "shape \([rows, columns])")
    }
    let words = try tensors.required(
      stem + ".qweight", shape: [columns / perWord, rows], .int32, .uint32)
    let size = groupSize ?? columns
    let count = (columns + size - 1) / size
    let zeros = try tensors.integers(stem + ".qzeros", shape: [count, rows / perWord])
    let scales = try tensors.floats(stem + ".scales", shape: [count, rows])
    let mask: Int16 = (1 << Int16(bits)) - 1
    let groups = GroupedElements.Groups(
      scales: transposed(scales, rows: count, columns: rows),
      zeros: (0..<rows * count).map { index in
        let (row, group) = index.quotientAndRemainder(dividingBy: count)
        let word = zeros[group * (rows / perWord) + row / perWord]
        let zero = Int16(truncatingIfNeeded: word >> Int32(bits * (row % perWord))) & mask
        return (zero + zeroOffset) & mask
      },
      size: size,
      indices: try tensors.groupIndices(
        stem + ".g_idx", columns: columns, size: size, count: count))
    return GroupedElements(
      codes: PackedIntegers(
        stored: words, layout: .inputsOfOutput, bits: bits, rows: rows, columns: columns),
      groups: groups)
  }
}

extension StoredTensors {
  /// The group of each input; nil where they are one after the other, or the tensor is not there.
  func groupIndices(_ name: String, columns: Int, size: Int, count: Int) throws(ModelError)
    -> [Int32]?
  {
    guard self[name] != nil else { return nil }
    let indices = try integers(name, shape: [columns])
    guard indices.allSatisfy({ $0 >= 0 && $0 < count }) else {
      throw .unloadableTensor(name: name, reason: "it names groups beyond the \(count) there are")
    }
    return indices.enumerated().allSatisfy { Int($1) == $0 / size } ? nil : indices
  }
}

extension ConfigurationFile {
  /// Inputs of a group; nil for -1, which stands for all of them.
  func groupSize(_ key: String) throws(ModelError) -> Int? {
    let size = try integer(key, in: -1...SizeLimits.intermediate.upperBound) ?? 128
    guard size != 0 else { throw refusal(key, "0 is no size of a group") }
    return size == -1 ? nil : size
  }
}

/// [columns][rows] of [rows][columns].
func transposed<T>(_ values: [T], rows: Int, columns: Int) -> [T] {
  (0..<rows * columns).map { values[$0 % rows * columns + $0 / rows] }
}

// compressed-tensors' "pack-quantized" (llm-compressor's w4a16 and w8a16): `weight_packed`
// [outputs, inputs / n] of words with n consecutive inputs, each plus half of its range,
// `weight_scale` [outputs, groups], for asymmetric weights `weight_zero_point` packed along the
// outputs, with act-order `weight_g_idx`. Refuses quantised activations and other formats.

import JSON
import Quantization

struct CompressedTensorsCheckpoint: QuantizedMatrices {
  private let bits: Int
  /// Nil: one group per output.
  private let groupSize: Int?
  private let symmetric: Bool

  let preferredScheme = QuantizationScheme.int8

  init(_ file: ConfigurationFile) throws(ModelError) {
    let format = try file.string("format") ?? "unnamed"
    guard format == "pack-quantized" else {
      throw file.unsupported("format", format, supported: ["pack-quantized"])
    }
    guard let groups = try file.object("config_groups"), groups.root.count == 1,
      let name = groups.root.keys.first, let group = try groups.object(name),
      let weights = try group.object("weights")
    else {
      throw file.refusal("config_groups", "it must hold one group with its weights' settings")
    }
    guard group["input_activations"] == nil else {
      throw group.unsupported("input_activations", "set", supported: ["null"])
    }
    bits = try weights.requiredInteger("num_bits", in: 1...16)
    guard bits == 4 || bits == 8 else {
      throw weights.unsupported("num_bits", "\(bits)", supported: ["4", "8"])
    }
    let type = try weights.string("type") ?? "int"
    guard type == "int" else { throw weights.unsupported("type", type, supported: ["int"]) }
    let strategy = try weights.string("strategy") ?? "group"
    switch strategy {
    case "channel": groupSize = nil
    case "group": groupSize = try weights.groupSize("group_size")
    default:
      throw weights.unsupported("strategy", strategy, supported: ["channel", "group"])
    }
    symmetric = try weights.bool("symmetric") ?? true
  }

  func elements(of name: String, rows: Int, columns: Int, in tensors: StoredTensors)
    throws(ModelError) -> (any QuantizedElements)?
  {
    let perWord = 32 / bits
    guard tensors[name + "_packed"] != nil else { return nil }
    let words = try tensors.required(
      name + "_packed", shape: [rows, (columns + perWord - 1) / perWord], .int32, .uint32)
    let size = groupSize ?? columns
    let count = (columns + size - 1) / size
    let groups = GroupedElements.Groups(
      scales: try tensors.floats(name + "_scale", shape: [rows, count]),
      zeros: try zeros(name, rows: rows, count: count, in: tensors), size: size,
      indices: try tensors.groupIndices(
        name + "_g_idx", columns: columns, size: size, count: count))
    return GroupedElements(
      codes: PackedIntegers(
        stored: words, layout: .rowMajor, bits: bits, rows: rows, columns: columns),
      groups: groups)
  }

  /// With the half range that codes carry.
  private func zeros(_ name: String, rows: Int, count: Int, in tensors: StoredTensors)
    throws(ModelError) -> [Int16]
  {
    let half: Int16 = 1 << Int16(bits - 1)
    if symmetric { return Array(repeating: half, count: rows * count) }
    let perWord = 32 / bits
    let words = try tensors.integers(
      name + "_zero_point", shape: [(rows + perWord - 1) / perWord, count])
    let mask: Int32 = (1 << Int32(bits)) - 1
    return (0..<rows * count).map { index in
      let (row, group) = index.quotientAndRemainder(dividingBy: count)
      let word = words[row / perWord * count + group]
      return Int16(word >> Int32(bits * (row % perWord)) & mask)
    }
  }
}

// bitsandbytes' 4-bit weights: codes into a table of 16 values, times the scale of their block, in
// float32. Kept as nf4 where table, blocks and nested blocks are nf4's own and no block straddles
// rows; fp4 and other block sizes are only read. Scales that are float32 go into the product as
// exactly as all others (float16); only what is kept beside it is double-quantised.

import CKernels
import JSON
import Quantization

struct FourBitElements: QuantizedElements {
  let exactFormat: WeightFormat?
  let typeName: String
  let absmax: BlockAbsmax
  private let codes: StoredTensor
  private let columns: Int
  private let values: [Float]
  private let blockSize: Int

  init(name: String, type: String, rows: Int, columns: Int, tensors: StoredTensors)
    throws(ModelError)
  {
    let state = try QuantState(name: name, type: type, tensors: tensors)
    guard state.shape == [rows, columns] else {
      throw .unexpectedShape(
        tensor: name, path: state.file.path, expected: [rows, columns], found: state.shape)
    }
    codes = try tensors.required(name)
    guard codes.bytes.count == (rows * columns + 1) / 2, codes.strides == nil else {
      throw .unloadableTensor(
        name: name, reason: "it has \(codes.bytes.count) bytes for \(rows * columns) codes")
    }
    self.columns = columns
    typeName = type
    blockSize = state.blockSize
    values = try tensors.floats(name + ".quant_map", shape: [16])
    let blockCount = (rows * columns + blockSize - 1) / blockSize
    absmax = try BlockAbsmax(
      name: name, count: blockCount, nested: state.nested, tensors: tensors)
    let table = withUnsafeBytes(of: martlet_nf4_values) { Array($0.bindMemory(to: Float.self)) }
    let isNF4 =
      values == table && blockSize == WeightFormat.nf4.groupSize
      && WeightFormat.nf4.supports(columns: columns) && absmax.isStandard
    exactFormat = isNF4 ? .nf4 : nil
  }

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    guard !elements.isEmpty else { return }
    let first = elements.lowerBound / blockSize
    let scales = absmax.values(first..<(elements.upperBound - 1) / blockSize + 1)
    codes.withBytes { bytes in
      for element in elements {
        let code = Self.code(bytes, element)
        output[element - elements.lowerBound] =
          values[code] * scales[element / blockSize - first]
      }
    }
  }

  func readCodes(
    rows: Range<Int>, codes output: UnsafeMutablePointer<UInt8>,
    scales: UnsafeMutablePointer<UInt16>
  ) {
    let elements = rows.lowerBound * columns..<rows.upperBound * columns
    codes.withBytes { bytes in
      for (index, element) in elements.enumerated() {
        output[index] = UInt8(Self.code(bytes, element))
      }
    }
    let blocks = elements.lowerBound / blockSize..<elements.upperBound / blockSize
    for (index, value) in absmax.values(blocks).enumerated() {
      scales[index] = martlet_half_from_float(value)
    }
  }

  func writeAbsmax(into absmax: NF4Absmax) { self.absmax.write(into: absmax) }

  /// The high nibble comes first.
  private static func code(_ bytes: UnsafeRawBufferPointer, _ element: Int) -> Int {
    Int(element % 2 == 0 ? bytes[element / 2] >> 4 : bytes[element / 2] & 15)
  }
}

extension CheckpointTensor {
  /// Of a matrix that is nf4 as it is kept here, but not double-quantised: its scales.
  package var plainAbsmax: BlockAbsmax? {
    guard let stored = elements as? FourBitElements, stored.exactFormat == .nf4 else { return nil }
    return stored.absmax.isNested ? nil : stored.absmax
  }
}

/// The scales of blocks: float32, or 8-bit codes into a map, scaled by nested blocks, plus an offset.
package struct BlockAbsmax: Sendable {
  package let count: Int
  private let stored: StoredTensor
  private let nested: Nested?

  struct Nested: Sendable {
    var map: [Float]
    var absmax: [Float]
    var offset: Float
    var blockSize: Int
  }

  fileprivate init(name: String, count: Int, nested: QuantState.Nested?, tensors: StoredTensors)
    throws(ModelError)
  {
    self.count = count
    guard let nested else {
      stored = try tensors.required(name + ".absmax", shape: [count], .float32)
      self.nested = nil
      return
    }
    stored = try tensors.required(name + ".absmax", shape: [count], .uint8)
    let nestedCount = (count + nested.blockSize - 1) / nested.blockSize
    self.nested = Nested(
      map: try tensors.floats(name + ".nested_quant_map", shape: [256]),
      absmax: try tensors.floats(name + ".nested_absmax", shape: [nestedCount]),
      offset: nested.offset, blockSize: nested.blockSize)
  }

  var isNested: Bool { nested != nil }

  /// Whether they are plain, or double-quantised in the way that nf4 matrices are.
  var isStandard: Bool {
    guard let nested else { return true }
    let map = withUnsafeBytes(of: martlet_dynamic_map) { Array($0.bindMemory(to: Float.self)) }
    return nested.map == map && nested.blockSize == Int(MARTLET_NF4_NESTED_BLOCK)
  }

  func write(into absmax: NF4Absmax) {
    if let nested {
      stored.withBytes { absmax.copy(offset: nested.offset, nested: nested.absmax, codes: $0) }
    } else {
      absmax.compress(values(0..<count))
    }
  }

  /// As bitsandbytes restores them: each step rounded to float32.
  package func values(_ blocks: Range<Int>) -> [Float] {
    stored.withBytes { bytes in
      blocks.map { block in
        guard let nested else {
          return bytes.loadUnaligned(fromByteOffset: block * 4, as: Float.self)
        }
        let scaled = nested.map[Int(bytes[block])] * nested.absmax[block / nested.blockSize]
        return scaled + nested.offset
      }
    }
  }
}

/// What the JSON text beside a tensor says of it.
private struct QuantState {
  let file: MappedFile
  let shape: [Int]
  let blockSize: Int
  let nested: Nested?

  struct Nested {
    var blockSize: Int
    var offset: Float
  }

  private static let maximumBytes = 4096
  private static let blockSizes = 1...65_536

  init(name: String, type: String, tensors: StoredTensors) throws(ModelError) {
    let key = BitsAndBytesCheckpoint.stateName(name, type)
    let stored = try tensors.required(key)
    file = stored.file
    let text = stored.withBytes { Array($0.prefix(Self.maximumBytes)) }
    guard let root = (try? JSONValue(parsing: text))?.object else {
      throw .malformedCheckpoint(path: file.path, reason: "tensor \(key) holds no JSON object")
    }
    let state = ConfigurationFile(path: file.path, root: root, prefix: key + ".")
    blockSize = try state.requiredInteger("blocksize", in: Self.blockSizes)
    shape = state["shape"]?.array?.compactMap(\.int) ?? []
    guard state["nested_blocksize"] != nil else {
      nested = nil
      return
    }
    nested = Nested(
      blockSize: try state.requiredInteger("nested_blocksize", in: Self.blockSizes),
      offset: try state.float(
        "nested_offset", in: -Float.greatestFiniteMagnitude...Float.greatestFiniteMagnitude) ?? 0)
  }
}

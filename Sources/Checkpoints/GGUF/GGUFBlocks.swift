// What the blocks of GGUF's types stand for, in float32 and in the order of operations of the `gguf`
// package (gguf-py/gguf/quants.py), so that values equal its to the last bit. Layouts are those of
// ggml-common.h. Relies on blocks being whole; any bytes are valid ones.

import CKernels
import Quantization

/// One block at any address.
struct GGUFBlock {
  private let bytes: UnsafeRawPointer

  init(_ bytes: UnsafeRawPointer) { self.bytes = bytes }

  /// The 16 levels of IQ4_NL and IQ4_XS.
  private static let levels: [Int8] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  ]

  /// All numbers of the block.
  func read(_ type: GGUFType, into y: UnsafeMutablePointer<Float>) {
    switch type {
    case .float32, .float16, .bfloat16: break  // no blocks
    case .q4Zero, .q5Zero, .q8Zero, .iq4Nonlinear:
      let scale = half(0)
      for i in 0..<32 { y[i] = scale * Float(integer(type, i)) }
    case .q4One:
      let (scale, least) = (half(0), half(2))
      for i in 0..<32 { y[i] = scale * Float(nibble(4, i)) + least }
    case .q5One:
      let (scale, least) = (half(0), half(2))
      for i in 0..<32 { y[i] = scale * Float(fiveBits(4, i)) + least }
    case .q2K: readQ2K(y)
    case .q3K: readQ3K(y)
    case .q4K: readQ4K(y, highBits: nil, codes: 16)
    case .q5K: readQ4K(y, highBits: 16, codes: 48)
    case .q6K: readQ6K(y)
    case .iq4ExtraSmall: readIQ4XS(y)
    }
  }

  /// Of types with one scale at their beginning: what it is multiplied with.
  func integer(_ type: GGUFType, _ index: Int) -> Int8 {
    switch type {
    case .q4Zero: Int8(nibble(2, index)) - 8
    case .q5Zero: Int8(fiveBits(2, index)) - 16
    case .iq4Nonlinear: Self.levels[nibble(2, index)]
    default: Int8(bitPattern: byte(2 + index))
    }
  }

  /// The scale of those types as it is stored: float16.
  var scaleBits: UInt16 { bytes.loadUnaligned(as: UInt16.self) }

  // Parts ------------------------------------------------------------------------------------------

  private func byte(_ offset: Int) -> UInt8 { bytes.load(fromByteOffset: offset, as: UInt8.self) }

  private func half(_ offset: Int) -> Float {
    martlet_float_from_half(bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// Code i of 32 in 16 bytes: the first 16 are the low nibbles.
  private func nibble(_ offset: Int, _ index: Int) -> Int {
    let byte = Int(byte(offset + index % 16))
    return index < 16 ? byte & 15 : byte >> 4
  }

  /// Code i of 32: four bytes of fifth bits, then the nibbles.
  private func fiveBits(_ offset: Int, _ index: Int) -> Int {
    let high = Int(byte(offset + index / 8) >> UInt8(index % 8) & 1)
    return nibble(offset + 4, index) | high << 4
  }

  /// [16 scales and minima][64 bytes of 2-bit codes][d][least]: groups of 16.
  private func readQ2K(_ y: UnsafeMutablePointer<Float>) {
    let (scale, least) = (half(80), half(82))
    for i in 0..<256 {
      let packed = byte(i / 16)
      let code = byte(16 + i / 128 * 32 + i % 32) >> UInt8(i % 128 / 32 * 2) & 3
      y[i] = scale * Float(packed & 15) * Float(code) - least * Float(packed >> 4)
    }
  }

  /// [32 bytes of third bits][64 of 2-bit codes][12 of 6-bit scales][d]: groups of 16.
  private func readQ3K(_ y: UnsafeMutablePointer<Float>) {
    let scales = (0..<16).map { group in
      let low = group < 8 ? byte(96 + group) & 15 : byte(96 + group - 8) >> 4
      let high = byte(104 + group % 4) >> UInt8(group / 4 * 2) & 3
      return half(108) * Float(Int8(low | high << 4) - 32)
    }
    for i in 0..<256 {
      let code = byte(32 + i / 128 * 32 + i % 32) >> UInt8(i % 128 / 32 * 2) & 3
      // The offset is zero where the bit is one.
      let high = byte(i % 32) >> UInt8(i / 32) & 1 ^ 1
      y[i] = scales[i / 16] * Float(Int8(code) - Int8(high << 2))
    }
  }

  /// [d][least][12 bytes of eight 6-bit scales and minima][Q5_K: 32 bytes of fifth bits]
  /// [128 bytes of nibbles]: groups of 32.
  private func readQ4K(_ y: UnsafeMutablePointer<Float>, highBits: Int?, codes: Int) {
    for group in 0..<8 {
      let (packedScale, packedLeast): (UInt8, UInt8)
      if group < 4 {
        packedScale = byte(4 + group) & 63
        packedLeast = byte(8 + group) & 63
      } else {
        packedScale = byte(8 + group) & 15 | (byte(group) >> 6) << 4
        packedLeast = byte(8 + group) >> 4 | (byte(4 + group) >> 6) << 4
      }
      let (scale, least) = (half(0) * Float(packedScale), half(2) * Float(packedLeast))
      for i in 0..<32 {
        let pair = byte(codes + group / 2 * 32 + i)
        var code = group % 2 == 0 ? pair & 15 : pair >> 4
        if let highBits { code |= (byte(highBits + i) >> UInt8(group) & 1) << 4 }
        y[group * 32 + i] = scale * Float(code) - least
      }
    }
  }

  /// [128 bytes of low nibbles][64 of high pairs of bits][16 int8 scales][d]: groups of 16.
  private func readQ6K(_ y: UnsafeMutablePointer<Float>) {
    let scales = (0..<16).map { half(208) * Float(Int8(bitPattern: byte(192 + $0))) }
    for i in 0..<256 {
      let (part, place) = (i / 128, i % 128)
      let pair = byte(part * 64 + place % 64)
      let low = place < 64 ? pair & 15 : pair >> 4
      let high = byte(128 + part * 32 + place % 32) >> UInt8(place / 32 * 2) & 3
      y[i] = scales[i / 16] * Float(Int8(low | high << 4) - 32)
    }
  }

  /// [d][high bits of scales][four bytes of low ones][128 bytes of nibbles]: groups of 32.
  private func readIQ4XS(_ y: UnsafeMutablePointer<Float>) {
    let high = bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
    for group in 0..<8 {
      let low = Int(byte(4 + group / 2)) >> (group % 2 * 4) & 15
      let packed = low | (Int(high) >> (group * 2) & 3) << 4
      let scale = half(0) * Float(packed - 32)
      for i in 0..<32 { y[group * 32 + i] = scale * Float(Self.levels[nibble(8 + group * 16, i)]) }
    }
  }
}

/// A tensor of such blocks.
struct GGUFElements: QuantizedElements {
  let file: MappedFile
  let tensor: GGUFFile.Tensor

  var exactFormat: WeightFormat? { tensor.type.exactFormat }
  var typeName: String { tensor.type.description }

  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>) {
    guard !elements.isEmpty else { return }
    let type = tensor.type
    let blocks =
      elements.lowerBound / type.blockSize..<(elements.upperBound - 1) / type.blockSize + 1
    withBase { base in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: type.blockSize) { buffer in
        guard let values = buffer.baseAddress else { return }
        for block in blocks {
          let first = block * type.blockSize
          let part = elements.clamped(to: first..<first + type.blockSize)
          let place = output + part.lowerBound - elements.lowerBound
          let source = GGUFBlock(base + block * type.blockBytes)
          if part.count == type.blockSize {
            source.read(type, into: place)
          } else {
            source.read(type, into: values)
            place.update(from: values + part.lowerBound - first, count: part.count)
          }
        }
      }
    }
  }

  func readCodes(
    rows: Range<Int>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>
  ) {
    let (type, blocksPerRow) = (tensor.type, tensor.shape[1] / tensor.type.blockSize)
    // int4 is stored with 8 added.
    let offset: Int8 = type.exactFormat == .int4 ? 8 : 0
    withBase { base in
      let blocks = rows.lowerBound * blocksPerRow..<rows.upperBound * blocksPerRow
      for (index, block) in blocks.enumerated() {
        let source = GGUFBlock(base + block * type.blockBytes)
        scales[index] = source.scaleBits
        for i in 0..<type.blockSize {
          codes[index * type.blockSize + i] = UInt8(bitPattern: source.integer(type, i) + offset)
        }
      }
    }
  }

  private func withBase(_ body: (UnsafeRawPointer) -> Void) {
    file.withBytes { bytes in
      if let base = bytes.baseAddress { body(base + tensor.bytes.lowerBound) }
    }
  }
}

// The byte-level alphabet of GPT-2 (openai/gpt-2, encoder.py): every byte is written as one printable
// character, itself where it is printable in Latin-1, U+0100 and up for the others in order.

enum ByteAlphabet {
  private static let scalars: [UInt32] = {
    var next: UInt32 = 0x100
    return (0...255).map { (byte: UInt32) in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return byte
      default:
        defer { next += 1 }
        return next
      }
    }
  }()

  private static let characters: [[UInt8]] = scalars.map { scalar in
    var bytes: [UInt8] = []
    bytes.append(scalar: scalar)
    return bytes
  }

  /// The byte of each scalar of the alphabet, -1 for the others.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x144)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
    return bytes
  }()

  /// The character that stands for a byte, in UTF-8.
  static func character(of byte: UInt8) -> [UInt8] { characters[Int(byte)] }

  /// The bytes that a token stands for, nil where it has a character from outside the alphabet.
  static func bytes(of token: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(token.count)
    var index = 0
    while index < token.count {
      let (value, length) = scalar(in: token, at: index)
      guard value < bytes.count, bytes[Int(value)] >= 0 else { return nil }
      result.append(UInt8(truncatingIfNeeded: bytes[Int(value)]))
      index += length
    }
    return result
  }
}

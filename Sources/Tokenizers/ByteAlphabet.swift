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

  private static let bytes: [UInt32: UInt8] = Dictionary(
    uniqueKeysWithValues: scalars.enumerated().map { ($1, UInt8(truncatingIfNeeded: $0)) })

  /// The character that stands for a byte, in UTF-8.
  static func character(of byte: UInt8) -> [UInt8] { characters[Int(byte)] }

  /// The bytes that a token stands for, nil where it has a character from outside the alphabet.
  static func bytes(of token: [UInt8]) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(token.count)
    var index = 0
    while index < token.count {
      let (value, length) = scalar(in: token, at: index)
      guard let byte = bytes[value] else { return nil }
      result.append(byte)
      index += length
    }
    return result
  }
}

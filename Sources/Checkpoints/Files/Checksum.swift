// 64 bits over a run of bytes, fast enough to be lost beside reading it: what accidents of storage
// change is noticed. No protection against somebody who means to deceive.

package enum Checksum {
  /// Odd, with bits all over.
  private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// Four chains over every fourth word. Each step is a bijection of its chain, so that a single
  /// changed word always changes the result.
  package static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    guard let base = bytes.baseAddress else { return 0 }
    var a: UInt64 = 1
    var b: UInt64 = 2
    var c: UInt64 = 3
    var d: UInt64 = 4
    let whole = bytes.count / 32 * 32
    var at = base
    let end = base + whole
    while at < end {
      a = mixed(a, at.loadUnaligned(as: UInt64.self))
      b = mixed(b, at.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      c = mixed(c, at.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
      d = mixed(d, at.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
      at += 32
    }
    for byte in bytes[whole...] { a = mixed(a, UInt64(byte)) }
    return [b, c, d, UInt64(bytes.count)].reduce(a) { mixed($0, $1) }
  }

  package static func of(_ text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { of(UnsafeRawBufferPointer($0)) }
  }

  @inline(__always)
  private static func mixed(_ chain: UInt64, _ word: UInt64) -> UInt64 {
    let product = (chain ^ word) &* multiplier
    return product << 29 | product >> 35
  }

  /// 16 hexadecimal digits.
  package static func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

// Request ids: the client's where it is short and harmless in a log line, else a random one.

package enum RequestID {
  /// 32 hexadecimal digits from the system's generator.
  package static func make() -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(unsafeUninitializedCapacity: 32) { buffer in
      var index = 0
      for _ in 0..<2 {
        var word = UInt64.random(in: .min ... .max)
        for _ in 0..<16 {
          buffer[index] = digits[Int(word & 15)]
          word >>= 4
          index += 1
        }
      }
      return index
    }
  }

  static func accepting(_ inbound: String?) -> String {
    guard let inbound, (1...128).contains(inbound.utf8.count), inbound.utf8.allSatisfy(isSane)
    else { return make() }
    return inbound
  }

  /// Letters, digits and marks that need no quoting in JSON, shells and URLs' queries.
  private static func isSane(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      return true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: ":"),
      UInt8(ascii: "/"), UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "@"),
      UInt8(ascii: "~"):
      return true
    default: return false
    }
  }
}

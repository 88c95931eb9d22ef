// Request ids: the client's where it is short and harmless in a log line, else one of ours, which
// no other request of any process has. Ids are names, not secrets.

import Synchronization

package enum RequestID {
  /// Random for the process; the rest of an id counts.
  private static let prefix = UInt64.random(in: .min ... .max)
  private static let count = Atomic<UInt64>(0)
  private static let digits = Array("0123456789abcdef".utf8)

  /// 32 hexadecimal digits.
  package static func make() -> String {
    let number = count.wrappingAdd(1, ordering: .relaxed).oldValue
    return String(unsafeUninitializedCapacity: 32) { buffer in
      for (place, word) in [prefix, number].enumerated() {
        for digit in 0..<16 {
          buffer[place * 16 + digit] = digits[Int(word >> UInt64(60 - digit * 4) & 15)]
        }
      }
      return 32
    }
  }

  static func accepting(_ inbound: String?) -> String {
    guard let inbound, (1...128).contains(inbound.utf8.count), inbound.utf8.allSatisfy(isSane)
    else { return make() }
    return inbound
  }

  /// Letters, digits and marks that need no quoting in JSON and in shells.
  private static func isSane(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "-_.:/+=@~".utf8.contains(byte)
    }
  }
}

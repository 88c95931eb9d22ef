// `<0x00>` to `<0xFF>`: the tokens that stand for the bytes of characters without a token.

struct ByteFallback: Sendable {
  /// By byte, -1 for a token that is missing; empty without byte fallback.
  private let tokenIDs: [Int32]

  init(_ vocabulary: Vocabulary, isOn: Bool) {
    tokenIDs = isOn ? (0...255).map { vocabulary.id(of: Self.token($0)) ?? -1 } : []
  }

  var isOn: Bool { !tokenIDs.isEmpty }

  /// `<0x0A>` for 10.
  private static func token(_ byte: Int) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "<0x0\(digits)>" : "<0x\(digits)>"
  }

  /// The ids for some bytes, nil unless each of them has one.
  func ids(for bytes: some Sequence<UInt8>) -> [Int32]? {
    if tokenIDs.isEmpty { return nil }
    let ids = bytes.map { tokenIDs[Int($0)] }
    return ids.contains(-1) ? nil : ids
  }
}

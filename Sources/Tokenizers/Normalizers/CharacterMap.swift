// SentencePiece's precompiled character map: a double-array trie (darts-clone's units of 32 bits) over
// the strings that are replaced, and the replacements, each ended by a NUL. The blob comes
// from a model's file: every index is checked, and nothing but well-formed UTF-8 comes out.

import FoundationEssentials

struct CharacterMap: Sendable {
  private let units: [UInt32]
  private let replacements: [UInt8]
  /// Whether a replaced string may begin with this byte.
  private let begins: [Bool]

  /// The blob: the trie's size in bytes, the trie, the replacements.
  init?(_ blob: [UInt8]) {
    guard blob.count >= 4 else { return nil }
    func word(_ index: Int) -> UInt32 {
      (0..<4).reduce(0) { $0 | UInt32(blob[index + $1]) << UInt32(8 * $1) }
    }
    let size = Int(word(0))
    guard size > 0, size % 4 == 0, size <= blob.count - 4 else { return nil }
    let units = (0..<size / 4).map { word(4 + 4 * $0) }
    self.units = units
    replacements = Array(blob[(4 + size)...])
    guard String(validating: replacements, as: UTF8.self) != nil else { return nil }
    begins = (0...255).map { byte in
      Self.child(of: 0 ^ Self.offset(units[0]), UInt8(truncatingIfNeeded: byte), units) != nil
    }
  }

  /// As it is in tokenizer.json.
  init?(base64 text: String) {
    guard let data = Data(base64Encoded: text) else { return nil }
    self.init([UInt8](data))
  }

  // MARK: - Trie

  private static func offset(_ unit: UInt32) -> Int {
    Int(unit >> 10) << Int(unit >> 6 & 8)
  }

  private static func child(of node: Int, _ byte: UInt8, _ units: [UInt32]) -> Int? {
    let next = node ^ Int(byte)
    guard next < units.count, units[next] & 0x8000_00FF == UInt32(byte) else { return nil }
    return next
  }

  private enum Wanted { case shortest, longest }

  /// A replaced string at the start of `text[range]`: where it ends, where its replacement begins.
  private func match(
    _ wanted: Wanted, in text: [UInt8], _ range: Range<Int>
  ) -> (end: Int, replacement: Int)? {
    var node = Self.offset(units[0])
    var found: (end: Int, replacement: Int)?
    for index in range {
      guard text[index] != 0, let next = Self.child(of: node, text[index], units) else { break }
      node = next ^ Self.offset(units[next])
      let isBoundary = index + 1 == text.count || text[index + 1] & 0xC0 != 0x80
      if isBoundary, units[next] & 0x100 != 0, node < units.count {
        found = (index + 1, Int(units[node] & 0x7FFF_FFFF))
        if wanted == .shortest { break }
      }
    }
    return found
  }

  private func replacement(at start: Int) -> ArraySlice<UInt8> {
    guard start < replacements.count, replacements[start] & 0xC0 != 0x80 else { return [] }
    return replacements[start...].prefix { $0 != 0 }
  }

  /// The text's bytes that cannot begin a replaced string.
  private func isPlain(_ byte: UInt8) -> Bool { !begins[Int(byte)] && byte < 0x80 }

  // MARK: - Application

  /// As `tokenizers` does it (normalizers/precompiled.rs): a grapheme cluster of less than six bytes
  /// is replaced whole where it begins with a replaced string, else each of its scalars.
  func replaceGraphemes(in text: [UInt8]) -> [UInt8] {
    if text.allSatisfy(isPlain) { return text }
    var output: [UInt8] = []
    output.reserveCapacity(text.count + 16)
    var index = 0
    while index < text.count {
      // A cluster may only go on where a plain byte is followed by something else.
      var end = index
      while end < text.count, isPlain(text[end]) { end += 1 }
      if end < text.count, end > index { end -= 1 }
      output += text[index..<end]
      index = end
      while end < text.count, !(isPlain(text[end]) && end > index && isPlain(text[end - 1])) {
        end += 1
      }
      for cluster in String(decoding: text[index..<end], as: UTF8.self) {
        append(cluster: Array(cluster.utf8), to: &output)
      }
      index = end
    }
    return output
  }

  private func append(cluster: [UInt8], to output: inout [UInt8]) {
    if cluster.count < 6, let found = match(.shortest, in: cluster, cluster.indices) {
      output += replacement(at: found.replacement)
      return
    }
    var index = 0
    while index < cluster.count {
      let end = index + scalar(in: cluster, at: index).length
      if let found = match(.shortest, in: cluster, index..<end) {
        output += replacement(at: found.replacement)
      } else {
        output += cluster[index..<end]
      }
      index = end
    }
  }

  /// As SentencePiece itself does it (normalizer.cc): the longest replaced string at the start of
  /// `text[range]`, else one scalar; where it ends, and what stands for it.
  func replaceLongest(
    in text: [UInt8], _ range: Range<Int>
  ) -> (end: Int, replacement: ArraySlice<UInt8>) {
    if begins[Int(text[range.lowerBound])], let found = match(.longest, in: text, range) {
      return (found.end, replacement(at: found.replacement))
    }
    let end = range.lowerBound + scalar(in: text, at: range.lowerBound).length
    return (end, text[range.lowerBound..<end])
  }
}

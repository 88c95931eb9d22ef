// What SentencePiece does to a text before it looks for pieces, in one pass from the left (normalizer.cc):
// characters mapped, blanks at the ends and repeated ones removed, a blank put before or after the text,
// blanks made visible.

struct SentencePieceNormalizer: Sendable {
  private let map: CharacterMap?
  /// Pieces that stay as they are.
  private let kept: TokenTrie
  private let addsBlank: Bool
  private let blankIsSuffix: Bool
  private let removesExtraBlanks: Bool
  private let blank: [UInt8]

  init(_ model: SentencePieceModel, file: String) throws(TokenizerError) {
    map = CharacterMap(model.characterMap)
    if map == nil, !model.characterMap.isEmpty {
      throw .malformed(
        file: file, key: "normalizer_spec.precompiled_charsmap", reason: "not a character map")
    }
    var kept = TokenTrie()
    for (id, piece) in model.pieces.enumerated() where piece.type == .userDefined {
      kept.insert(piece.text, id)
    }
    self.kept = kept
    addsBlank = model.addsDummyPrefix
    blankIsSuffix = model.blanksAreSuffixes
    removesExtraBlanks = model.removesExtraBlanks
    blank = model.escapesBlanks ? VisibleBlank.bytes : [0x20]
  }

  /// A blank is put before a text only where it starts the input.
  func apply(to text: inout NormalizedText) {
    var position = 0
    while removesExtraBlanks, position < text.bytes.count,
      case (let end, let part) = next(text.bytes, position), part.elementsEqual([0x20])
    {
      position = end
    }
    var output: [UInt8] = []
    if position == text.bytes.count {
      text.bytes = output
      return
    }
    output.reserveCapacity(text.bytes.count + text.bytes.count / 2)
    if addsBlank, !blankIsSuffix, text.startsInput { output += blank }
    var afterBlank = removesExtraBlanks
    while position < text.bytes.count {
      var (end, part) = next(text.bytes, position)
      position = end
      if afterBlank { part = part.drop { $0 == 0x20 } }
      for byte in part {
        if byte == 0x20 { output += blank } else { output.append(byte) }
      }
      if let last = part.last { afterBlank = last == 0x20 }
      if !removesExtraBlanks { afterBlank = false }
    }
    while removesExtraBlanks, output.suffix(blank.count).elementsEqual(blank) {
      output.removeLast(blank.count)
    }
    if addsBlank, blankIsSuffix { output += blank }
    text.bytes = output
  }

  /// What stands at a position after mapping, and where it ends.
  @inline(__always)
  private func next(_ text: [UInt8], _ position: Int) -> (end: Int, part: ArraySlice<UInt8>) {
    if let (end, _) = kept.longestMatch(in: text, at: position) {
      return (end, text[position..<end])
    }
    if let map {
      let (end, replacement) = map.replaceLongest(in: text, position..<text.count)
      return (end, replacement)
    }
    let end = position + scalar(in: text, at: position).length
    return (end, text[position..<end])
  }
}

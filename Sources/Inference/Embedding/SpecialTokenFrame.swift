// The special tokens that an encoder's tokenizer puts around a text ([CLS] ... [SEP]), and how a
// text that is too long is cut: from its end, inside the frame, as sentence-transformers does.

/// The special tokens before and after a text.
struct SpecialTokenFrame: Sendable, Equatable {
  let prefix: [Int32]
  let suffix: [Int32]

  /// A sequence ready for the encoder.
  struct Framed: Sendable, Equatable {
    let ids: [Int32]
    let isTruncated: Bool
  }

  init(prefix: [Int32], suffix: [Int32]) {
    self.prefix = prefix
    self.suffix = suffix
  }

  /// Finds the frame by what encoding adds to some text: `bare` without, `full` with special
  /// tokens.
  init(bare: [Int32], full: [Int32]) {
    let added = max(0, full.count - bare.count)
    let prefixCount =
      (0...added).first { start in
        full.dropFirst(start).starts(with: bare)
      } ?? 0
    prefix = Array(full.prefix(prefixCount))
    suffix = Array(full.suffix(added - prefixCount))
  }

  var count: Int { prefix.count + suffix.count }

  /// Puts the frame around `ids`, less what is beyond `maximumTokens`.
  func wrap(_ ids: [Int32], maximumTokens: Int) -> Framed {
    let room = max(0, maximumTokens - count)
    return Framed(ids: prefix + ids.prefix(room) + suffix, isTruncated: ids.count > room)
  }

  /// `ids` without the frame, if it is there already.
  func unwrap(_ ids: [Int32]) -> [Int32] {
    let hasFrame =
      ids.count >= count && ids.starts(with: prefix) && ids.suffix(suffix.count) == suffix[...]
    return hasFrame ? Array(ids.dropFirst(prefix.count).dropLast(suffix.count)) : ids
  }
}

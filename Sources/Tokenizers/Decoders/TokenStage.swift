// The running state of one decoding step over tokens.

struct TokenStage: Sendable {
  private let step: DecodingPlan.TokenStep
  /// How many tokens came so far: the first one is treated differently by some steps.
  private var index = 0
  /// Byte tokens whose fate depends on what follows.
  private var pendingBytes: [UInt8] = []
  /// The last token, where what becomes of it depends on whether another follows.
  private var pendingToken: [UInt8]?

  init(_ step: DecodingPlan.TokenStep) { self.step = step }

  /// Takes a token and appends those that follow from it.
  mutating func append(_ token: [UInt8], to output: inout [[UInt8]]) {
    defer { index += 1 }
    switch step {
    case .replace(let replacement): output.append(replacement.apply(to: token))
    case .wordEnd(let suffix):
      if let pendingToken { output.append(pendingToken.replacing(suffix, with: [0x20])) }
      pendingToken = token
    case .byteFallback:
      if let byte = fallbackByte(token) {
        pendingBytes.append(byte)
      } else {
        flushBytes(into: &output)
        output.append(token)
      }
    case .wordPiece(let prefix, let cleansUp):
      var bytes = token
      if index > 0 {
        bytes = bytes.starts(with: prefix) ? Array(bytes.dropFirst(prefix.count)) : [0x20] + bytes
      }
      output.append(cleansUp ? WordPieceCleanup.apply(to: bytes) : bytes)
    case .metaspace(let replacement, let dropsFirst):
      output.append(token.replacing(replacement, with: index == 0 && dropsFirst ? [] : [0x20]))
    case .strip(let scalar, let start, let stop):
      output.append(token.stripping(scalar, start: start, stop: stop))
    case .blanks:
      output.append(index > 0 ? [0x20] + token : token)
    }
  }

  mutating func finish(into output: inout [[UInt8]]) {
    flushBytes(into: &output)
    if case .wordEnd(let suffix) = step, let pendingToken {
      output.append(pendingToken.replacing(suffix, with: []))
    }
    pendingToken = nil
  }

  /// A run of byte tokens is text when all of it is well-formed, else U+FFFD for each of its bytes.
  private mutating func flushBytes(into output: inout [[UInt8]]) {
    if pendingBytes.isEmpty { return }
    if String(validating: pendingBytes, as: UTF8.self) != nil {
      output.append(pendingBytes)
    } else {
      output += repeatElement([0xEF, 0xBF, 0xBD], count: pendingBytes.count)
    }
    pendingBytes.removeAll()
  }
}

/// BERT's tidying of blanks within a token, in the order of the reference implementation
/// (huggingface/tokenizers, decoders/wordpiece.rs).
private enum WordPieceCleanup {
  private static let replacements: [([UInt8], [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"),
    (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.utf8), Array($1.utf8)) }

  static func apply(to token: [UInt8]) -> [UInt8] {
    guard token.contains(0x20) else { return token }
    return replacements.reduce(token) { $0.replacing($1.0, with: $1.1) }
  }
}

extension [UInt8] {
  /// Without up to `start` occurrences of a scalar at the start and up to `stop` at the end.
  fileprivate func stripping(_ scalar: [UInt8], start: Int, stop: Int) -> [UInt8] {
    var rest = self[...]
    var cut = 0
    while cut < start, rest.starts(with: scalar) {
      rest = rest.dropFirst(scalar.count)
      cut += 1
    }
    cut = 0
    while cut < stop, rest.suffix(scalar.count).elementsEqual(scalar), !rest.isEmpty {
      rest = rest.dropLast(scalar.count)
      cut += 1
    }
    return Array(rest)
  }
}

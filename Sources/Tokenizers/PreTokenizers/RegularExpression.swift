// Regular expressions that have no scanner of their own, run by Oniguruma as Hugging Face `tokenizers`
// does. Backtracking is limited: a search that exceeds the limit ends the matching, and the rest of the
// text counts as unmatched. Texts of 2 GB and more are not searched.

import COnig

// SAFETY: the compiled expression is never written after `init`; Oniguruma's searches only read it
// and keep their state in a region and limits that each call to `forEachMatch` makes for itself.
final class RegularExpression: @unchecked Sendable {
  private let regex: OnigRegex

  private static let isInitialized = martlet_onig_initialize() == ONIG_NORMAL

  init(_ node: ConfigurationNode) throws(TokenizerError) {
    let pattern = Self.withOwnClasses(Array(try node.string().utf8))
    var message = [UInt8](repeating: 0, count: Int(ONIG_MAX_ERROR_MESSAGE_LEN) + 1)
    var compiled: OnigRegex?
    guard Self.isInitialized,
      martlet_onig_compile(&compiled, pattern, pattern.count, &message) == ONIG_NORMAL,
      let compiled
    else {
      onig_free(compiled)
      let reason = String(decoding: message.prefix { $0 != 0 }, as: UTF8.self)
      throw node.malformed("not a regular expression: \(reason)")
    }
    regex = compiled
  }

  deinit { onig_free(regex) }

  /// Every match in `text[range]`, from the left, which sees nothing outside of the range. Empty ones
  /// are left out directly after another match.
  func forEachMatch(in text: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void) {
    guard range.count <= Int32.max, let region = onig_region_new(),
      let limits = Self.limits(textCount: range.count)
    else { return }
    defer {
      onig_region_free(region, 1)
      onig_free_match_param(limits)
    }
    text.withUnsafeBufferPointer { buffer in
      let piece = UnsafeBufferPointer(rebasing: buffer[range])
      var position = 0
      var previousEnd: Int?
      while position <= piece.count {
        var end = 0
        let start = martlet_onig_search(
          regex, piece.baseAddress, piece.count, position, region, limits, &end)
        guard start >= 0 else { return }
        if start == end, end == previousEnd {
          position +=
            position < piece.count ? scalar(in: text, at: range.lowerBound + end).length : 1
          continue
        }
        body(range.lowerBound + start..<range.lowerBound + end)
        (position, previousEnd) = (end, end)
      }
    }
  }

  // MARK: - Character classes

  /// Classes for which the tables here stand in: the system's Oniguruma may know another release of
  /// Unicode than the one that `tokenizers` was built with.
  private static let ownClasses: [UInt8: [UInt8]] = {
    let classes: [(String, CharacterClass)] = [
      ("L", .letter), ("N", .number), ("M", .mark), ("P", .punctuationMark), ("S", .symbol),
    ]
    return Dictionary(
      uniqueKeysWithValues: classes.map { name, wanted in
        let ranges = CharacterClasses.shared.ranges(of: wanted).map { range in
          let (lower, upper) = (range.lowerBound, range.upperBound)
          return "\\x{\(String(lower, radix: 16))}-\\x{\(String(upper, radix: 16))}"
        }
        return (Array(name.utf8)[0], Array(ranges.joined().utf8))
      })
  }()

  /// The pattern with `\p{L}` and the like, also within brackets, written as the ranges of our tables.
  private static func withOwnClasses(_ pattern: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < pattern.count {
      guard pattern[index] == UInt8(ascii: "\\"), index + 1 < pattern.count else {
        result.append(pattern[index])
        index += 1
        continue
      }
      let isProperty =
        index + 4 < pattern.count && pattern[index + 1] | 0x20 == UInt8(ascii: "p")
        && pattern[index + 2] == UInt8(ascii: "{") && pattern[index + 4] == UInt8(ascii: "}")
      if isProperty, let ranges = ownClasses[pattern[index + 3]] {
        let isNegated = pattern[index + 1] == UInt8(ascii: "P")
        result += Array(isNegated ? "[^".utf8 : "[".utf8) + ranges + [UInt8(ascii: "]")]
        index += 5
      } else {
        result += pattern[index..<index + 2]
        index += 2
      }
    }
    return result
  }

  // MARK: - Limits

  /// Backtracking that grows with the text's length, no faster.
  private static func limits(textCount: Int) -> OpaquePointer? {
    guard let limits = onig_new_match_param() else { return nil }
    let count = 1_000_000 + 16 * textCount
    onig_initialize_match_param(limits)
    onig_set_retry_limit_in_match_of_match_param(limits, UInt(count))
    onig_set_retry_limit_in_search_of_match_param(limits, UInt(count))
    onig_set_match_stack_limit_size_of_match_param(limits, UInt32(clamping: count))
    return limits
  }
}

// A regular expression over names of modules, as adapter_config.json has them (Python's `re`), run by
// Oniguruma with a limit to backtracking: a name on which a pattern exceeds it does not match. Refuses
// what is no regular expression.

import COnig

// SAFETY: the compiled expression is never written after `init`; Oniguruma's searches only read it
// and keep their state in a region and limits that each call of `matches` makes for itself.
final class ModulePattern: @unchecked Sendable {
  private let regex: OnigRegex

  private static let isInitialized = martlet_onig_initialize() == ONIG_NORMAL
  private static let retryLimit: UInt = 1_000_000

  struct Malformed: Error {
    let reason: String
  }

  /// - Parameter prefix: of a regular expression too, in front of what must match the rest of a name
  init(_ pattern: String, after prefix: String = "") throws(Malformed) {
    let whole = Array("\\A\(prefix)(?:\(pattern))\\z".utf8)
    var message = [UInt8](repeating: 0, count: Int(ONIG_MAX_ERROR_MESSAGE_LEN) + 1)
    var compiled: OnigRegex?
    guard Self.isInitialized,
      martlet_onig_compile(&compiled, whole, whole.count, &message) == ONIG_NORMAL,
      let compiled
    else {
      onig_free(compiled)
      throw Malformed(reason: String(decoding: message.prefix { $0 != 0 }, as: UTF8.self))
    }
    regex = compiled
  }

  deinit { onig_free(regex) }

  /// Whether the pattern matches all of a name.
  func matches(_ name: String) -> Bool {
    guard let region = onig_region_new(), let limits = onig_new_match_param() else { return false }
    defer {
      onig_region_free(region, 1)
      onig_free_match_param(limits)
    }
    onig_initialize_match_param(limits)
    onig_set_retry_limit_in_match_of_match_param(limits, Self.retryLimit)
    onig_set_retry_limit_in_search_of_match_param(limits, Self.retryLimit)
    let text = Array(name.utf8)
    var end = 0
    return martlet_onig_search(regex, text, text.count, 0, region, limits, &end) >= 0
  }
}

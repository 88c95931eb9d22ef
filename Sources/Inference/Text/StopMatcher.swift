// Stop strings on a stream of text: passes on what can no longer be part of one, holds back what
// still can. Works on UTF-8 bytes, where a whole-scalar needle can only match at scalar borders, so
// neither grapheme clusters nor canonical equivalence get in the way.
//
// The match that ends first wins, and of those that end together the one that starts first. So the
// outcome does not depend on how the text was cut into pieces.

/// Finds the first of some stop strings in text that arrives piecemeal.
package struct StopMatcher: Sendable {
  /// What a piece of text brought about.
  package struct Output: Sendable, Equatable {
    /// Text to pass on, never with any of a stop string in it.
    package var text: String
    /// The stop string found; the generation is over.
    package var match: String?

    package init(text: String, match: String? = nil) {
      self.text = text
      self.match = match
    }
  }

  private let stops: [[UInt8]]
  /// Text that may yet turn out to be the start of a stop string.
  private var held: [UInt8] = []
  private var hasMatched = false

  /// Empty strings stop nothing and are ignored.
  package init(stops: [String]) {
    // Longest first: of matches with the same end, that is the one that starts first.
    self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) }
      .sorted { $0.count > $1.count }
  }

  /// Takes the next piece. After a match everything is swallowed.
  package mutating func append(_ piece: String) -> Output {
    guard !hasMatched else { return Output(text: "") }
    guard !stops.isEmpty else { return Output(text: piece) }
    for byte in piece.utf8 {
      held.append(byte)
      if let stop = stops.first(where: { ends(held, with: $0) }) {
        hasMatched = true
        let text = String(decoding: held.dropLast(stop.count), as: UTF8.self)
        held = []
        return Output(text: text, match: String(decoding: stop, as: UTF8.self))
      }
    }
    return Output(text: release())
  }

  /// The end of the text: what was held back is no stop string after all.
  package mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  /// Cuts off and returns all but the longest end of `held` that begins some stop string.
  private mutating func release() -> String {
    let longest = stops[0].count - 1
    var kept = min(held.count, longest)
    while kept > 0, !stops.contains(where: { $0.starts(with: held.suffix(kept)) }) {
      kept -= 1
    }
    let text = String(decoding: held.dropLast(kept), as: UTF8.self)
    held.removeFirst(held.count - kept)
    return text
  }

  private func ends(_ bytes: [UInt8], with stop: [UInt8]) -> Bool {
    bytes.count >= stop.count && bytes.last == stop.last && bytes.suffix(stop.count) == stop[...]
  }
}

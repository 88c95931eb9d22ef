// Stop strings under every way of cutting the text: same text, same match, and not a byte of the
// stop string let through.

import Inference
import Testing

@Suite struct StopMatcherTests {
  /// What comes of feeding `pieces`.
  private func run(_ stops: [String], _ pieces: [String]) -> StopMatcher.Output {
    var matcher = StopMatcher(stops: stops)
    var result = StopMatcher.Output(text: "")
    for piece in pieces {
      let output = matcher.append(piece)
      result.text += output.text
      if let match = output.match {
        #expect(result.match == nil)
        result.match = match
      }
      #expect(!stops.contains { contains(result.text, $0) })
    }
    result.text += matcher.finish()
    return result
  }

  /// Whether the bytes of `needle`, not being empty, are in `text`.
  private func contains(_ text: String, _ needle: String) -> Bool {
    let (text, needle) = (Array(text.utf8), Array(needle.utf8))
    return !needle.isEmpty && text.indices.contains { text[$0...].starts(with: needle) }
  }

  /// Every way to cut `text` into pieces between Unicode scalars.
  private func splits(_ text: String) -> [[String]] {
    let scalars = text.unicodeScalars.map { String($0) }
    guard scalars.count > 1 else { return [[text]] }
    return (0..<(1 << (scalars.count - 1))).map { mask in
      var pieces = [scalars[0]]
      for (index, scalar) in scalars.dropFirst().enumerated() {
        if mask >> index & 1 == 1 {
          pieces.append(scalar)
        } else {
          pieces[pieces.count - 1] += scalar
        }
      }
      return pieces
    }
  }

  @Test(
    arguments: [
      (["END"], "abENDcd", "ab", "END"),
      (["END"], "abENEND!", "abEN", "END"),
      (["END"], "abEN", "abEN", nil),
      (["aab"], "aaaab", "aa", "aab"),
      (["\n\n"], "one\n\ntwo", "one", "\n\n"),
      (["###", "##!"], "x##!y###", "x", "##!"),
      // The match that ends first wins ...
      (["bcd", "c"], "abcde", "ab", "c"),
      // ... and of two that end together the one that starts first.
      (["cd", "bcd"], "abcde", "a", "bcd"),
      (["a"], "a", "", "a"),
      (["停止"], "你好停止。", "你好", "停止"),
      (["停止"], "停下停", "停下停", nil),
      (["👨‍👩‍👧"], "x👨‍👩‍👦y👨‍👩‍👧", "x👨‍👩‍👦y", "👨‍👩‍👧"),
      // A stop may match inside a grapheme cluster.
      (["e"], "cafe\u{301}", "caf", "e"),
      // Canonical equivalents are different text.
      (["é"], "cafe\u{301}s", "cafe\u{301}s", nil),
      (["", "b"], "abc", "a", "b"),
      ([""], "abc", "abc", nil),
      ([], "abc", "abc", nil),
    ] as [([String], String, String, String?)])
  func everySplitGivesTheSame(
    _ stops: [String], _ text: String, _ expected: String, _ match: String?
  ) {
    for pieces in splits(text) {
      let output = run(stops, pieces)
      #expect(Array(output.text.utf8) == Array(expected.utf8), "\(pieces)")
      #expect(output.match.map { Array($0.utf8) } == match.map { Array($0.utf8) }, "\(pieces)")
    }
  }

  @Test func textIsHeldBackOnlyWhileItMayBeAStop() {
    var matcher = StopMatcher(stops: ["STOP"])
    #expect(matcher.append("one ").text == "one ")
    #expect(matcher.append("ST").text == "")
    #expect(matcher.append("A").text == "STA")
    #expect(matcher.append("S").text == "")
    #expect(matcher.finish() == "S")
  }

  @Test func nothingComesAfterAMatch() {
    var matcher = StopMatcher(stops: ["."])
    #expect(matcher.append("a.b") == StopMatcher.Output(text: "a", match: "."))
    #expect(matcher.append("c") == StopMatcher.Output(text: ""))
    #expect(matcher.finish() == "")
  }

  /// Against a plain search: the first end of any stop, then its earliest start.
  @Test func agreesWithASearchOfTheWholeText() {
    var source = RandomSource(seed: 11)
    var matches = 0
    for _ in 0..<2_000 {
      func word(_ count: ClosedRange<Int>) -> String {
        String(
          (0..<Int.random(in: count, using: &source)).map { _ in
            ["a", "b", "é"].randomElement(using: &source) ?? "a"
          }.joined())
      }
      let stops = (0..<3).map { _ in word(1...4) }
      let text = word(0...14)
      let expected = search(text, stops)
      let pieces = text.unicodeScalars.reduce(into: [""]) { pieces, scalar in
        pieces[pieces.count - 1].unicodeScalars.append(scalar)
        if Bool.random(using: &source) { pieces.append("") }
      }
      let output = run(stops, pieces)
      #expect(output == expected)
      if expected.match != nil { matches += 1 }
    }
    #expect(matches > 500 && matches < 2_000)
  }

  private func search(_ text: String, _ stops: [String]) -> StopMatcher.Output {
    let bytes = Array(text.utf8)
    for end in 0...bytes.count {
      let found = stops.filter { bytes[..<end].reversed().starts(with: $0.utf8.reversed()) }
      if let stop = found.max(by: { $0.utf8.count < $1.utf8.count }) {
        let text = String(decoding: bytes[..<(end - stop.utf8.count)], as: UTF8.self)
        return StopMatcher.Output(text: text, match: stop)
      }
    }
    return StopMatcher.Output(text: text)
  }
}

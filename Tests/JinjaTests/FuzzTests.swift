// Templates with tokens exchanged, cut and doubled at random: parsing and rendering must end, with
// text or with an error, within small limits and without crashing.

import Fuzzing
import JSON
import Jinja
import Testing

@Suite struct FuzzTests {
  private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  private static let pieces = [
    "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", "(", ")", "[", "]", "{", "}", ":", ",", ".", "|",
    "~", "*", "**", "//", "%", "==", "<", "=", "'", "\"", "\\", "\n", " if ", " else ", " for ",
    " in ", " is ", " not ", " and ", "endif", "endfor", "set ", "macro ", "endmacro", "call ",
    "messages", "loop", "x", "0", "-1", "9223372036854775807", "1e308", "none", "true", "range",
    "namespace", "tojson", "[::-1]", "|length", "|sort", ".split()", "😀", "é", "\u{0}",
  ]

  @Test func survivesMutatedTemplates() throws {
    let features = try #require(try Fixture.load("features.json").array)
    let failures = try #require(try Fixture.load("failures.json").array)
    let seeds = features + failures
    let limits = JinjaLimits(steps: 20_000, outputBytes: 20_000, items: 2_000, depth: 200)
    var random = SplitMix(state: FuzzRun.seed(2024))
    var (rendered, refused) = (0, 0)
    for round in 0..<FuzzRun.rounds(2_000) {
      let seed = seeds[round % seeds.count]
      let text = mutate(seed["template"]?.string ?? "", &random)
      do {
        _ = try JinjaTemplate(text).render(seed["context"]?.object ?? [:], limits: limits)
        rendered += 1
      } catch {
        refused += 1
        #expect(error.line > 0)
      }
    }
    #expect(rendered > 100 && refused > 100)
  }

  private func mutate(_ seed: String, _ random: inout SplitMix) -> String {
    var scalars = Array(seed.unicodeScalars)
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      let start = Int.random(in: 0...scalars.count, using: &random)
      let end = min(scalars.count, start + Int.random(in: 0...8, using: &random))
      switch Int.random(in: 0..<4, using: &random) {
      case 0: scalars.removeSubrange(start..<end)
      case 1: scalars.insert(contentsOf: scalars[start..<end], at: start)
      case 2:
        let piece = Self.pieces.randomElement(using: &random) ?? ""
        scalars.replaceSubrange(start..<end, with: piece.unicodeScalars)
      default:
        let piece = Self.pieces.randomElement(using: &random) ?? ""
        scalars.insert(contentsOf: piece.unicodeScalars, at: start)
      }
    }
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    return String(view)
  }
}

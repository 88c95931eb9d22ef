// Requests with bytes changed, cut, doubled and put in at random, chunked bodies included: the parser
// must refuse or accept them without crashing, wherever they are cut.

import Fuzzing
import Testing

@testable import HTTP

@Suite struct ParserFuzzTests {
  /// Mutated samples: no crash, and the cut never matters.
  @Test func mutations() {
    var random = SeededGenerator(seed: FuzzRun.seed(20_261_122))
    let samples = ParserCorpus.all.map(\.bytes).filter { $0.count < 600 && !$0.isEmpty }
    let rounds = FuzzRun.rounds(2500)
    var refusedCount = 0
    for _ in 0..<rounds {
      var bytes = samples[Int.random(in: 0..<samples.count, using: &random)]
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        mutate(&bytes, samples, using: &random)
      }
      let whole = ParserRun.outcomes(of: [bytes])
      refusedCount += whole.reasons.count
      var pieces: [[UInt8]] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Int.random(in: 1...max(1, min(rest.count, 40)), using: &random)
        pieces.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      #expect(ParserRun.outcomes(of: pieces) == whole, "\(bytes)")
    }
    #expect(refusedCount > rounds / 5, "the mutations hardly ever break anything")
    #expect(refusedCount < rounds, "the mutations break everything")
  }

  private func mutate(
    _ bytes: inout [UInt8], _ samples: [[UInt8]], using random: inout SeededGenerator
  ) {
    let spice: [UInt8] = [0, 9, 10, 13, 32, 37, 44, 58, 59, 48, 57, 102, 127, 128, 255]
    let place = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, place + Int.random(in: 0...8, using: &random))
    switch Int.random(in: 0..<5, using: &random) {
    case 0: bytes.insert(spice.randomElement(using: &random) ?? 0, at: place)
    case 1: bytes.removeSubrange(place..<end)
    case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
    case 3:
      for index in place..<end { bytes[index] = UInt8.random(in: 0...255, using: &random) }
    default:
      let other = samples.randomElement(using: &random) ?? []
      bytes.replaceSubrange(place..., with: other.suffix(from: min(place, other.count)))
    }
  }
}

/// SplitMix64: the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}

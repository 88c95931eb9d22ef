// Philox4x32-10 against the known answers published with its reference implementation (Random123,
// kat_vectors).

import Testing

@testable import Inference

@Suite struct PhiloxTests {
  @Test func matchesKnownAnswers() {
    let zero = Philox.block(counter: (0, 0, 0, 0), key: (0, 0))
    #expect(zero == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let all = Philox.block(
      counter: (.max, .max, .max, .max), key: (.max, .max))
    #expect(all == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    let pi = Philox.block(
      counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
      key: (0xa409_3822, 0x299f_31d0))
    #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func uniformNumbersDifferByEveryPartOfTheCounter() {
    let numbers: [Double] = [
      Philox.uniform(seed: 1, choice: 0, position: 0),
      Philox.uniform(seed: 1 << 32, choice: 0, position: 0),
      Philox.uniform(seed: 1, choice: 1, position: 0),
      Philox.uniform(seed: 1, choice: 0, position: 1),
      Philox.uniform(seed: 1, choice: 0, position: 1 << 32),
    ]
    #expect(Set(numbers).count == numbers.count)
    #expect(numbers.allSatisfy { (0..<1).contains($0) })
  }

  @Test func uniformNumbersFillTheUnitIntervalEvenly() {
    var buckets = [Int](repeating: 0, count: 10)
    for position in 0..<10_000 {
      buckets[Int(Philox.uniform(seed: 7, choice: 0, position: UInt64(position)) * 10)] += 1
    }
    #expect(buckets.allSatisfy { (900...1_100).contains($0) })
  }
}

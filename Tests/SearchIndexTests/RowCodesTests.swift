// Sets of rows by their numbers, while those fit a byte and after.

import CKernels
import Fuzzing
import Testing

@testable import SearchIndex

@Suite struct RowCodesTests {
  @Test(arguments: [3, 256, 257, 70_000])
  func rowsWithSomeOfTheNumbers(codeCount: Int) {
    var random = SeededRandom(seed: UInt64(codeCount))
    var codes = RowCodes()
    var plain: [Int] = []
    for part in 1...40 {
      // Numbers become greater on the way.
      let code = Int.random(in: 0..<max(1, codeCount * part / 40), using: &random)
      let count = Int.random(in: 0...90, using: &random)
      codes.append(code, count: count)
      plain += repeatElement(code, count: count)
      // And some get another one.
      let first = Int.random(in: 0...plain.count, using: &random)
      let changed = first..<min(plain.count, first + part % 4)
      let other = Int.random(in: 0..<codeCount, using: &random)
      if part % 2 == 0 {
        codes.set(other, rows: changed)
        for row in changed { plain[row] = other }
      }
      let passing = (0..<codeCount).map { _ in Bool.random(using: &random) }
      let known = Int.random(in: 0...plain.count, using: &random)
      let rows = codes.rows(known, passing: passing)
      #expect(codes.count == plain.count && rows.rowCount == known)
      #expect((0..<known).allSatisfy { rows[$0] == passing[plain[$0]] })
    }
  }

  @Test func setsOfEachInstructionSetAreThoseOfTheOracle() throws {
    var random = SeededRandom(seed: 5)
    let portable = try #require(martlet_kernels_named("portable")?.pointee)
    for count in [0, 1, 63, 64, 65, 500, 1024] {
      let codes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      let passing = (0..<256).map { _ in UInt8.random(in: 0...2, using: &random) }
      func rows(_ kernels: martlet_kernels) -> [UInt64] {
        var rows = [UInt64](repeating: .max, count: (count + 63) / 64)
        kernels.select_codes(codes, count, passing, &rows)
        return rows
      }
      let expected = rows(portable)
      #expect(
        (0..<count).allSatisfy {
          expected[$0 / 64] >> ($0 % 64) & 1 == (passing[Int(codes[$0])] > 0 ? 1 : 0)
        })
      for name in ["avx2", "avx512", "avx512vnni", "avx512bf16"] {
        guard let kernels = martlet_kernels_named(name)?.pointee else { continue }
        #expect(rows(kernels) == expected, "\(name), \(count)")
      }
    }
  }
}

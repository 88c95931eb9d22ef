// Sets of rows against plain arrays of truth values.

import Fuzzing
import Testing

@testable import SearchIndex

@Suite struct RowBitmapTests {
  private func bitmap(_ values: [Bool]) -> RowBitmap {
    var bitmap = RowBitmap()
    for value in values { bitmap.append(value) }
    return bitmap
  }

  @Test(arguments: [0, 1, 63, 64, 65, 200])
  func setsAreThoseOfTheirRows(count: Int) {
    var random = SeededRandom(seed: UInt64(count))
    func values() -> [Bool] { (0..<count).map { _ in Bool.random(using: &random) } }
    let (left, right) = (values(), values())
    var (both, either) = (bitmap(left), bitmap(left))
    both.formIntersection(bitmap(right))
    either.formUnion(bitmap(right))
    #expect(both == bitmap(zip(left, right).map { $0 && $1 }))
    #expect(either == bitmap(zip(left, right).map { $0 || $1 }))
    #expect(bitmap(left).inverted == bitmap(left.map { !$0 }))
    #expect(bitmap(left).inverted.count == left.count { !$0 })
    for size in [0, count / 2, count, count + 70] {
      let resized = (0..<size).map { $0 < count ? left[$0] : false }
      #expect(bitmap(left).resized(size) == bitmap(resized))
    }
  }
}

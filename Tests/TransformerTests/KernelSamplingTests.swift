// The kernels that sampling uses: each table against the oracle bit for bit, with odd tails before a
// guard page, and against plain Swift.

import CKernels
import Glibc
import Testing

@Suite struct KernelSamplingTests {
  private static let lengths = KernelLayerTests.lengths + [0, 4_095, 4_096]

  private func exponentials(
    _ table: Table, _ x: [Float], divisor: Float, maximum: Float
  ) -> (sum: Double, values: [Float]) {
    let input = Guarded(x)
    let output = Guarded<Float>(count: x.count)
    let sum = table.kernels.exponentials(
      input.pointer, x.count, divisor, maximum, output.pointer)
    let again = table.kernels.exponentials(input.pointer, x.count, divisor, maximum, nil)
    #expect(sum == again || sum.isNaN)
    return (sum, output.values)
  }

  private func select(
    _ table: Table, _ x: [Float], threshold: Float, capacity: Int
  ) -> (count: Int, ids: [Int32]) {
    let ids = Guarded([Int32](repeating: -1, count: capacity))
    let count = table.kernels.select(
      Guarded(x).pointer, x.count, threshold, ids.pointer, capacity)
    return (count, ids.values)
  }

  @Test(arguments: lengths) func exponentialsAreTheSameInEveryTable(n: Int) throws {
    let oracle = Table.portable
    for x in KernelLayerTests.inputs(n, seed: 31) {
      for (divisor, maximum) in [(Float(1), Float(9)), (0.7, 2.5), (30, -4)] {
        let expected = exponentials(oracle, x, divisor: divisor, maximum: maximum)
        for table in Table.all {
          let result = exponentials(table, x, divisor: divisor, maximum: maximum)
          #expect(patterns(result.values) == patterns(expected.values), "\(table)")
          #expect(result.sum == expected.sum || result.sum.isNaN && expected.sum.isNaN)
        }
      }
    }
  }

  @Test(arguments: Table.all) func exponentialsAreExact(table: Table) {
    var source = SeededValues(seed: 32)
    let x = source.normals(5_000, scale: 8)
    let result = exponentials(table, x, divisor: 0.7, maximum: 50)
    let exact = x.map { exp(Double($0 / 0.7 - 50)) }
    #expect(relativeError(result.values, exact) < 2e-7)
    #expect(abs(result.sum / exact.reduce(0, +) - 1) < 1e-7)
  }

  @Test(arguments: Table.all) func selectFindsWhatIsNotBelowTheThreshold(table: Table) {
    for n in Self.lengths {
      for x in KernelLayerTests.inputs(n, seed: 33) {
        for threshold: Float in [-.infinity, -2, 0, 4, .infinity] {
          let expected = x.indices.filter { !(x[$0] < threshold) }.map { Int32($0) }
          for capacity in [0, 1, expected.count / 2, expected.count, expected.count + 5] {
            let result = select(table, x, threshold: threshold, capacity: capacity)
            let written = min(expected.count, capacity)
            #expect(result.count == expected.count)
            #expect(Array(result.ids.prefix(written)) == Array(expected.prefix(written)))
            #expect(result.ids.dropFirst(written).allSatisfy { $0 == -1 })
          }
        }
      }
    }
  }
}

// Norms, activations, conversions and reductions: each table against the scalar oracle bit for bit,
// with odd tails before a guard page, and against double precision.

import CKernels
import Glibc
import Testing

@Suite struct KernelLayerTests {
  static let lengths = [1, 2, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 129, 1031]

  /// Ordinary values, and the ones that break careless code.
  static func inputs(_ n: Int, seed: UInt64) -> [[Float]] {
    var source = SeededValues(seed: seed)
    let ordinary = source.normals(n, scale: 3)
    var special = ordinary
    let odd: [Float] = [
      0, -0.0, .leastNonzeroMagnitude, -.leastNormalMagnitude, .infinity, -.infinity, .nan,
      .greatestFiniteMagnitude, 88.7, -88, 1e-20,
    ]
    for i in 0..<n where i % 3 == 1 { special[i] = odd[i / 3 % odd.count] }
    return [ordinary, [Float](repeating: 0, count: n), special]
  }

  typealias Buffer = Guarded<Float>
  typealias Operation = @Sendable (martlet_kernels, Buffer, Buffer, Buffer) -> [Float]

  /// Each takes x, y and an output of the same length and returns what it produced.
  static let operations: [(String, Operation)] = [
    (
      "rms_norm",
      { k, x, y, z in
        k.rms_norm(x.pointer, y.pointer, x.count, 1e-5, 1, z.pointer)
        return z.values
      }
    ),
    (
      "layer_norm",
      { k, x, y, z in
        k.layer_norm(x.pointer, y.pointer, x.pointer, x.count, 1e-12, z.pointer)
        return z.values
      }
    ),
    (
      "softmax",
      { k, x, _, _ in
        k.softmax(x.pointer, x.count)
        return x.values
      }
    ),
    (
      "silu_multiply",
      { k, x, y, z in
        k.silu_multiply(x.pointer, y.pointer, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "gelu",
      { k, x, _, z in
        k.gelu(x.pointer, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "silu",
      { k, x, _, z in
        k.silu(x.pointer, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "gelu_tanh",
      { k, x, _, z in
        k.gelu_tanh(x.pointer, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "soft_cap",
      { k, x, _, z in
        k.soft_cap(x.pointer, 3, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "multiply_values",
      { k, x, y, z in
        k.multiply_values(x.pointer, y.pointer, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "scale",
      { k, x, _, z in
        k.scale(x.pointer, 0.3, x.count, z.pointer)
        return z.values
      }
    ),
    (
      "add_scaled",
      { k, x, y, _ in
        k.add_scaled(x.pointer, 0.3, x.count, y.pointer)
        return y.values
      }
    ),
    (
      "add",
      { k, x, y, z in
        k.add(x.pointer, y.pointer, x.count, z.pointer)
        return z.values
      }
    ),
    ("dot", { k, x, y, _ in [k.dot(x.pointer, y.pointer, x.count)] }),
    ("argmax", { k, x, _, _ in [Float(k.argmax(x.pointer, x.count))] }),
    ("log_sum_exp", { k, x, _, _ in [k.log_sum_exp(x.pointer, x.count)] }),
  ]

  @Test(arguments: Table.vectors, lengths)
  func vectorsEqualTheOracleBitForBit(vector: Table, n: Int) {
    for (x, y) in zip(Self.inputs(n, seed: 1), Self.inputs(n, seed: 2)) {
      for (name, operation) in Self.operations {
        let results = [vector.kernels, Table.portable.kernels].map {
          patterns(operation($0, Guarded(x), Guarded(y), Guarded(count: n)))
        }
        #expect(results[0] == results[1], "\(name)")
      }
    }
  }

  @Test(arguments: Table.all) func softmaxIsExact(table: Table) {
    var source = SeededValues(seed: 3)
    let x = source.normals(1000, scale: 20)
    let y = Guarded(x)
    table.kernels.softmax(y.pointer, x.count)
    let top = Double(x.max() ?? 0)
    let exponentials = x.map { exp(Double($0) - top) }
    let sum = exponentials.reduce(0, +)
    #expect(relativeError(y.values, exponentials.map { $0 / sum }) < 2e-7)
    let logarithm = table.kernels.log_sum_exp(Guarded(x).pointer, x.count)
    #expect(abs(Double(logarithm) - (top + log(sum))) < 1e-5)
  }

  /// Through silu(x) = x / (1 + exp(-x)) with a multiplier of one.
  @Test(arguments: Table.all) func activationsAreExact(table: Table) {
    let x = (-3000...3000).map { Float($0) / 100 }
    let input = Guarded(x)
    let ones = Guarded([Float](repeating: 1, count: x.count))
    let output = Guarded<Float>(count: x.count)
    table.kernels.silu_multiply(input.pointer, ones.pointer, x.count, output.pointer)
    for (value, result) in zip(x.map(Double.init), output.values) {
      let exact = value / (1 + exp(-value))
      #expect(abs(Double(result) - exact) <= 4e-7 * abs(exact) + 1e-30)
    }
    table.kernels.gelu(input.pointer, x.count, output.pointer)
    for (value, result) in zip(x.map(Double.init), output.values) {
      let exact = 0.5 * value * (1 + erf(value / 2.0.squareRoot()))
      #expect(abs(Double(result) - exact) <= 3e-7 * max(1, abs(value)))
    }
    table.kernels.gelu_tanh(input.pointer, x.count, output.pointer)
    for (value, result) in zip(x.map(Double.init), output.values) {
      let cubic = (2 / Double.pi).squareRoot() * (value + 0.044715 * value * value * value)
      let exact = 0.5 * value * (1 + tanh(cubic))
      #expect(abs(Double(result) - exact) <= 4e-7 * max(1, abs(value)))
    }
    table.kernels.soft_cap(input.pointer, 5, x.count, output.pointer)
    for (value, result) in zip(x.map(Double.init), output.values) {
      #expect(abs(Double(result) - 5 * tanh(value / 5)) <= 2e-6)
    }
  }

  @Test(arguments: Table.all) func normsAreExact(table: Table) {
    var source = SeededValues(seed: 4)
    let n = 777
    let x = source.normals(n)
    let w = source.normals(n)
    let b = source.normals(n)
    let output = Guarded<Float>(count: n)
    table.kernels.rms_norm(
      Guarded(x).pointer, Guarded(w).pointer, n, 1e-6, 0, output.pointer)
    let square = x.map { Double($0) * Double($0) }.reduce(0, +) / Double(n)
    #expect(
      relativeError(
        output.values, zip(x, w).map { Double($0) / (square + 1e-6).squareRoot() * Double($1) })
        < 2e-7)
    table.kernels.layer_norm(
      Guarded(x).pointer, Guarded(w).pointer, Guarded(b).pointer, n, 1e-12, output.pointer)
    let mean = x.map(Double.init).reduce(0, +) / Double(n)
    let variance = x.map { (Double($0) - mean) * (Double($0) - mean) }.reduce(0, +) / Double(n)
    let exact = x.indices.map {
      (Double(x[$0]) - mean) / (variance + 1e-12).squareRoot() * Double(w[$0]) + Double(b[$0])
    }
    #expect(relativeError(output.values, exact) < 3e-7)
  }

  @Test(arguments: [(1, 2), (4, 8), (3, 17), (2, 64), (5, 33)])
  func rotationsAgree(heads: Int, half: Int) {
    var source = SeededValues(seed: 5)
    let d = 2 * half + 3  // partial rotation: the last three stay
    let x = source.normals(heads * d)
    let angles = source.normals(half)
    let cosine = angles.map { cos($0) }
    let sine = angles.map { sin($0) }
    var expected = x
    for head in 0..<heads {
      for i in 0..<half {
        let (a, b) = (x[head * d + i], x[head * d + i + half])
        expected[head * d + i] = a * cosine[i] - b * sine[i]
        expected[head * d + i + half] = b * cosine[i] + a * sine[i]
      }
    }
    for table in Table.all {
      let rotated = Guarded(x)
      table.kernels.rope(
        rotated.pointer, heads, d, half, Guarded(cosine).pointer, Guarded(sine).pointer)
      #expect(patterns(rotated.values) == patterns(expected), "\(table)")
    }
  }

  @Test(arguments: Table.all) func conversionsCoverEveryHalf(table: Table) {
    let all = (0...UInt16.max).map { $0 }
    let input = Guarded(all)
    let floats = Guarded<Float>(count: all.count)
    table.kernels.half_to_float(input.pointer, all.count, floats.pointer)
    #expect(patterns(floats.values) == patterns(all.map { Float(Float16(bitPattern: $0)) }))
    let back = Guarded<UInt16>(count: all.count)
    table.kernels.float_to_half(floats.pointer, all.count, back.pointer)
    for (value, result) in zip(all, back.values) where !Float16(bitPattern: value).isNaN {
      #expect(value == result)
    }
    table.kernels.bfloat_to_float(input.pointer, all.count, floats.pointer)
    #expect(patterns(floats.values) == patterns(all.map { Float(bitPattern: UInt32($0) << 16) }))
    table.kernels.float_to_bfloat(floats.pointer, all.count, back.pointer)
    for (value, result) in zip(all, back.values)
    where !Float(bitPattern: UInt32(value) << 16).isNaN { #expect(value == result) }
  }

  @Test(arguments: Table.all) func halvesAreRoundedToNearestEven(table: Table) {
    var source = SeededValues(seed: 6)
    var x = (0..<20000).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: source.next())) }
    x += source.normals(5000)
    x += source.normals(5000, scale: 1e-6)
    let output = Guarded<UInt16>(count: x.count)
    table.kernels.float_to_half(Guarded(x).pointer, x.count, output.pointer)
    for (value, result) in zip(x, output.values) where !value.isNaN {
      #expect(Float16(value).bitPattern == result)
    }
  }

  @Test(arguments: Table.all) func argmaxTakesTheFirstOfEqualsAndNoNaN(table: Table) {
    func argmax(_ x: [Float]) -> Int { table.kernels.argmax(Guarded(x).pointer, x.count) }
    var x = [Float](repeating: -5, count: 100)
    #expect(argmax(x) == 0)
    x[37] = 2
    x[90] = 2
    #expect(argmax(x) == 37)
    x[3] = .nan
    #expect(argmax(x) == 37)
    #expect(argmax([.nan, .nan]) == 0)
    #expect(argmax([-.infinity, -.infinity]) == 0)
    #expect(argmax([-.infinity, -3]) == 1)
  }

  @Test(arguments: Table.all) func wordsAreSummed(table: Table) {
    for count in [1, 31, 32, 33, 100] {
      let words = Guarded((0..<UInt64(count)).map { $0 << 40 })
      #expect(
        table.kernels.read_sum(words.pointer, count * 8) == words.values.reduce(0, &+))
    }
  }
}

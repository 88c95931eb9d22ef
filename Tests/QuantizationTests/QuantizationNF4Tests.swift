// nf4 against bitsandbytes on the CPU: every code, absmax and dequantised value, bit for bit. The
// fixtures come from scripts/fixtures/quantization.py.

import CKernels
import Compute
import FoundationEssentials
import JSON
import Testing

@testable import Quantization

private struct Fixture {
  private let bytes: [UInt8]
  private let header: JSONValue
  private let dataStart: Int

  init(_ name: String) throws {
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let file = tests.appending(path: "Fixtures/quantization/\(name).safetensors")
    bytes = try Array(Data(contentsOf: file))
    let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    header = try JSONValue(parsing: Array(bytes[8..<8 + length]))
    dataStart = 8 + length
  }

  func tensor<T: BitwiseCopyable>(_ name: String, of type: T.Type) throws -> [T] {
    let offsets = try #require(header[name]?["data_offsets"])
    let begin = try #require(offsets[0]?.int) + dataStart
    let end = try #require(offsets[1]?.int) + dataStart
    return bytes[begin..<end].withUnsafeBytes { raw in
      (0..<raw.count / MemoryLayout<T>.stride).map {
        raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.stride, as: type)
      }
    }
  }

  func floats(_ name: String) throws -> [Float] { try tensor(name, of: Float.self) }
  func codes(_ name: String) throws -> [UInt8] { try tensor(name, of: UInt8.self) }
  func shape(_ name: String) throws -> [Int] {
    try #require(header[name]?["shape"]?.array).compactMap(\.int)
  }
}

/// Equal ones are equal bit for bit.
private func patterns(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

@Suite struct QuantizationNF4Tests {
  private func quantize(_ weight: [Float]) -> (codes: [UInt8], absmax: [Float]) {
    var codes = [UInt8](repeating: 0, count: weight.count)
    var absmax = [Float](repeating: 0, count: (weight.count + 63) / 64)
    martlet_nf4_quantize(weight, weight.count, &codes, &absmax)
    return (codes, absmax)
  }

  private func compress(_ absmax: [Float]) -> (codes: [UInt8], nested: [Float], offset: Float) {
    var codes = [UInt8](repeating: 0, count: absmax.count)
    var nested = [Float](repeating: 0, count: (absmax.count + 255) / 256)
    var offset: Float = 0
    martlet_nf4_compress(absmax, absmax.count, &codes, &nested, &offset)
    return (codes, nested, offset)
  }

  private func expand(_ codes: [UInt8], _ nested: [Float], _ offset: Float) -> [Float] {
    var absmax = [Float](repeating: 0, count: codes.count)
    withUnsafePointer(to: martlet_dynamic_map) { map in
      map.withMemoryRebound(to: Float.self, capacity: 256) { map in
        martlet_nf4_expand(codes, map, nested, offset, 0, codes.count, &absmax)
      }
    }
    return absmax
  }

  private func dequantize(_ codes: [UInt8], _ absmax: [Float]) -> [Float] {
    var values = [Float](repeating: 0, count: codes.count)
    martlet_nf4_dequantize(codes, absmax, codes.count, &values)
    return values
  }

  @Test(arguments: ["matrix", "straddling", "edges"])
  func codesAndAbsmaxAreBitsandbytes(name: String) throws {
    let fixture = try Fixture(name)
    let (codes, absmax) = quantize(try fixture.floats("weight"))
    #expect(codes == (try fixture.codes("codes")))
    #expect(patterns(absmax) == patterns(try fixture.floats("absmax")))
    #expect(
      patterns(dequantize(codes, absmax)) == patterns(try fixture.floats("dequantized")))
    let double = compress(absmax)
    #expect(double.codes == (try fixture.codes("double.absmax_codes")))
    #expect(patterns(double.nested) == patterns(try fixture.floats("double.nested_absmax")))
    #expect(patterns([double.offset]) == patterns(try fixture.floats("double.offset")))
    let restored = expand(double.codes, double.nested, double.offset)
    #expect(
      patterns(dequantize(codes, restored)) == patterns(try fixture.floats("double.dequantized")))
  }

  @Test func doubleQuantisationOfALongTensorIsBitsandbytes() throws {
    let fixture = try Fixture("absmax")
    let absmax = try fixture.floats("absmax")
    let double = compress(absmax)
    #expect(double.codes == (try fixture.codes("codes")))
    #expect(patterns(double.nested) == patterns(try fixture.floats("nested_absmax")))
    #expect(patterns([double.offset]) == patterns(try fixture.floats("offset")))
    #expect(
      patterns(expand(double.codes, double.nested, double.offset))
        == patterns(try fixture.floats("restored")))
    let map = try fixture.floats("map")
    #expect(patterns(expand(Array(0...255), [1], 0)) == patterns(map))
  }

  /// The whole way through a packed matrix, quantised in parallel.
  @Test func aMatrixGivesBackBitsandbytesValues() throws {
    let fixture = try Fixture("matrix")
    let weight = try fixture.floats("weight")
    let shape = try fixture.shape("weight")
    let (rows, columns) = (shape[0], shape[1])
    let matrix = try WeightMatrix(
      rows: rows, columns: columns, format: .nf4, pool: ThreadPool(threads: 2, niceness: 0)
    ) { range, output in
      for (i, k) in (range.lowerBound * columns..<range.upperBound * columns).enumerated() {
        output[i] = weight[k]
      }
    }
    var values = [Float](repeating: 0, count: rows * columns)
    values.withUnsafeMutableBufferPointer { values in
      guard let base = values.baseAddress else { return }
      for row in 0..<rows { matrix.dequantizeRow(row, into: base + row * columns) }
    }
    #expect(patterns(values) == patterns(try fixture.floats("double.dequantized")))
    #expect(matrix.byteCount - matrix.packedByteCount == 384 + 2 * 4 + 4)
  }

  @Test func strangeValuesDoNotCrash() {
    for strange in [Float.nan, .infinity, -.infinity, .leastNonzeroMagnitude, 0] {
      var weight = [Float](repeating: strange, count: 200)
      let (codes, absmax) = quantize(weight)
      let double = compress(absmax)
      _ = dequantize(codes, expand(double.codes, double.nested, double.offset))
      weight[7] = 1
      _ = quantize(weight)
    }
    #expect(compress([0.25]).codes == [0])  // as bitsandbytes: nothing left beside the offset
  }
}

// Attention kernels against the definition in double precision, and a token against itself with and
// without neighbours, over shuffled KV blocks that end at a guard page.

import CKernels
import Glibc
import Testing

/// One layer's keys and values of one head, in shuffled blocks, and queries for it.
private struct AttentionCase: CustomStringConvertible {
  var d: Int
  var heads: Int
  var tokens: Int
  var firstLength: Int
  var window = 0
  var causal = true
  var half = false
  var softCap: Float = 0
  var hasSlopes = false
  /// Where the sequence ends; 0: with what the last token sees.
  var limit = 0
  var biased = false

  var length: Int { limit > 0 ? limit : firstLength + (causal ? tokens - 1 : 0) }
  var description: String {
    "d \(d), \(heads) heads, \(tokens) tokens, length \(firstLength), window \(window), "
      + "\(causal ? "causal" : "full"), \(half ? "half" : "float"), cap \(softCap), limit \(limit)"
      + (hasSlopes ? ", slopes" : "") + (biased ? ", biased" : "")
  }

  static let all = [
    AttentionCase(d: 4, heads: 1, tokens: 1, firstLength: 1),
    AttentionCase(d: 8, heads: 3, tokens: 5, firstLength: 30),
    AttentionCase(d: 64, heads: 4, tokens: 1, firstLength: 97),
    AttentionCase(d: 64, heads: 4, tokens: 9, firstLength: 60, half: true),
    AttentionCase(d: 80, heads: 2, tokens: 7, firstLength: 33, half: true),
    AttentionCase(d: 128, heads: 8, tokens: 3, firstLength: 64),
    AttentionCase(d: 20, heads: 5, tokens: 40, firstLength: 1),
    AttentionCase(d: 32, heads: 2, tokens: 11, firstLength: 90, window: 37),
    AttentionCase(d: 16, heads: 1, tokens: 50, firstLength: 3, window: 4, half: true),
    AttentionCase(d: 32, heads: 1, tokens: 45, firstLength: 45, causal: false),
    AttentionCase(d: 64, heads: 8, tokens: 3, firstLength: 500, half: true),
    AttentionCase(d: 24, heads: 3, tokens: 70, firstLength: 200),
    // Windows that begin in different spans of 128 positions, most scores below zero.
    AttentionCase(d: 16, heads: 2, tokens: 60, firstLength: 100, window: 3, half: true),
    AttentionCase(d: 32, heads: 3, tokens: 9, firstLength: 150, softCap: 2),
    AttentionCase(d: 24, heads: 5, tokens: 50, firstLength: 90, half: true, hasSlopes: true),
    AttentionCase(
      d: 16, heads: 2, tokens: 30, firstLength: 140, window: 50, softCap: 5, hasSlopes: true),
    // Windows to both sides: token t sees t - 9...t + 9 of 200, and t - 40...t + 40 of 45.
    AttentionCase(d: 32, heads: 1, tokens: 200, firstLength: 10, window: 19, limit: 200),
    AttentionCase(d: 16, heads: 2, tokens: 45, firstLength: 41, window: 81, limit: 45),
    AttentionCase(d: 32, heads: 3, tokens: 145, firstLength: 145, causal: false, biased: true),
    AttentionCase(d: 16, heads: 2, tokens: 9, firstLength: 150, half: true, biased: true),
  ]
}

private struct Prepared {
  let c: AttentionCase
  let keys: [[Float]]  // by position
  let values: [[Float]]
  let query: [Float]  // [tokens][heads][d]
  let table: [Int32]
  let blockBytes: Int
  let keyBlocks: Guarded<UInt8>
  let valueBlocks: Guarded<UInt8>
  /// [heads][tokens + length]: of position p minus token t at p - t + tokens.
  let biases: Guarded<Float>
  private var biasStride: Int { c.tokens + c.length }

  init(_ c: AttentionCase) {
    self.c = c
    var source = SeededValues(seed: UInt64(c.d * 1000 + c.firstLength))
    let kvBlock = Int(MARTLET_KV_BLOCK)
    let count = (c.length + kvBlock - 1) / kvBlock
    let blocks = (0..<count).map { Int32((count - $0) * 2) }  // backwards, with gaps
    func rounded(_ x: Float) -> Float { c.half ? Float(Float16(x)) : x }
    let rows = (0..<2 * c.length).map { _ in source.normals(c.d).map(rounded) }
    keys = Array(rows[..<c.length])
    values = Array(rows[c.length...])
    query = source.normals(c.tokens * c.heads * c.d, scale: 2)
    biases = Guarded(source.normals(c.heads * (c.tokens + c.length)))
    table = blocks
    blockBytes = kvBlock * c.d * (c.half ? 2 : 4)
    keyBlocks = Guarded(count: (2 * count + 1) * blockBytes, alignment: 64)
    valueBlocks = Guarded(count: (2 * count + 1) * blockBytes, alignment: 64)
    for p in 0..<c.length {
      let at = Int(blocks[p / kvBlock]) * blockBytes
      martlet_kv_store(
        c.half, keys[p], values[p], c.d, p % kvBlock, keyBlocks.pointer + at,
        valueBlocks.pointer + at)
    }
  }

  /// One per head.
  private var slopes: [Float] { (0..<c.heads).map { 1 / Float(2 << $0) } }

  /// Attention of `tokens`, whose output is [tokens][heads][d].
  func run(_ kernels: martlet_kernels, tokens: Range<Int>) -> [Float] {
    let width = c.heads * c.d
    let query = Guarded(Array(query[tokens.lowerBound * width..<tokens.upperBound * width]))
    let output = Guarded<Float>(count: tokens.count * width)
    let slopes = Guarded(slopes)
    table.withUnsafeBufferPointer { table in
      guard let table = table.baseAddress else { return }
      var attention = martlet_attention(
        half_precision: c.half, causal: c.causal, head_dimension: c.d, token_count: tokens.count,
        head_count: c.heads, first_length: c.firstLength + (c.causal ? tokens.lowerBound : 0),
        window: c.window, length: c.limit, scale: 1 / Float(c.d).squareRoot(),
        soft_cap: c.softCap, slopes: c.hasSlopes ? UnsafePointer(slopes.pointer) : nil,
        query: query.pointer, query_stride: width, output: output.pointer, output_stride: width,
        keys: keyBlocks.pointer, values: valueBlocks.pointer, block_stride: blockBytes,
        block_table: table,
        bias: c.biased ? UnsafePointer(biases.pointer + c.tokens - tokens.lowerBound) : nil,
        bias_stride: biasStride)
      kernels.attention(&attention)
    }
    return output.values
  }

  private static func dot(_ x: ArraySlice<Float>, _ y: [Float]) -> Double {
    var sum = 0.0
    for (a, b) in zip(x, y) { sum += Double(a) * Double(b) }
    return sum
  }

  /// The definition, in double precision.
  var exact: [Double] {
    var result: [Double] = []
    for t in 0..<c.tokens {
      let reached = c.firstLength + (c.causal ? t : 0)
      let begin = c.window > 0 ? max(0, reached - c.window) : 0
      let end = min(reached, c.length)
      for head in 0..<c.heads {
        let q = query[((t * c.heads) + head) * c.d..<((t * c.heads) + head + 1) * c.d]
        let scores = (begin..<end).map { position in
          var score = Self.dot(q, keys[position]) / Double(c.d).squareRoot()
          if c.softCap > 0 { score = Double(c.softCap) * tanh(score / Double(c.softCap)) }
          if c.hasSlopes { score += Double(slopes[head]) * Double(position - end + 1) }
          let place = head * biasStride + position - t + c.tokens
          return score + (c.biased ? Double(biases.pointer[place]) : 0)
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let sum = weights.reduce(0, +)
        for i in 0..<c.d {
          var mixed = 0.0
          for p in begin..<end { mixed += weights[p - begin] * Double(values[p][i]) }
          result.append(mixed / sum)
        }
      }
    }
    return result
  }
}

@Suite struct KernelAttentionTests {
  @Test(arguments: Table.all, AttentionCase.all)
  fileprivate func matchesTheDefinition(table: Table, c: AttentionCase) {
    let prepared = Prepared(c)
    let output = prepared.run(table.kernels, tokens: 0..<c.tokens)
    #expect(relativeError(output, prepared.exact) < 2e-6)
  }

  /// A token's result is the same alone, in a chunk and in the whole.
  @Test(arguments: Table.all, AttentionCase.all)
  fileprivate func tokensDoNotDependOnTheirNeighbours(table: Table, c: AttentionCase) {
    let prepared = Prepared(c)
    let whole = prepared.run(table.kernels, tokens: 0..<c.tokens)
    for step in [1, 2, 7] {
      var pieces: [Float] = []
      for start in stride(from: 0, to: c.tokens, by: step) {
        pieces += prepared.run(table.kernels, tokens: start..<min(start + step, c.tokens))
      }
      #expect(patterns(pieces) == patterns(whole), "in pieces of \(step)")
    }
  }
}

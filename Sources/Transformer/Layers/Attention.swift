// Attention with keys and values in the blocks of a KV cache: project, normalise, rotate, store,
// attend, project. The same layer serves decoders (causal, grouped heads) and encoders (all tokens see each
// other). Relies on the kernel folding a token's blocks in order, so that its result does not depend
// on the batch. This chunk's keys and values are read back from the cache, as later chunks read them.

import CKernels
import Checkpoints
import Compute

struct Attention: Sendable {
  let query, key, value, output: Linear
  let headCount: Int
  let keyValueHeadCount: Int
  let headDimension: Int
  let scale: Float
  let causal: Bool
  /// Over each head, or over all of them, as their width says.
  var queryNorm: NormLayer?
  var keyNorm: NormLayer?
  /// Which of the plan's rotations turns queries and keys; nil for none.
  var rotary: Int? = 0
  /// A token sees so many tokens up to itself; 0 for all.
  var window = 0
  /// 0 for none.
  var softCap: Float = 0
  /// [H], what a step of distance adds to a head's scores.
  var slopes: [Float]?
  /// Positions to either side that a token sees; nil: all that there are.
  var reach: Int?
  var positionBias: PositionBias?

  /// Adds its result for `x` to `hidden`, or puts it there instead of what is there; rows of `x` are
  /// made by `fill` where there is one.
  func add(
    _ x: Activations, to hidden: Activations, plan: BatchPlan, cache: KVCache, layer: Int,
    workspace: inout Workspace, pool: ThreadPool, replacing: Bool = false,
    filling fill: (@Sendable (Range<Int>) -> Void)? = nil
  ) throws(ModelError) {
    let queryWidth = headCount * headDimension
    let width = keyValueHeadCount * headDimension
    let queries = try workspace.activations(.query, rows: x.rows, columns: queryWidth)
    let keys = try workspace.activations(.key, rows: x.rows, columns: width)
    let values = try workspace.activations(.value, rows: x.rows, columns: width)
    let attended = try workspace.activations(.attended, rows: x.rows, columns: queryWidth)
    let inputs = [
      Projection(linear: query, output: queries), Projection(linear: key, output: keys),
      Projection(linear: value, output: values),
    ]
    Projection.compute(
      inputs, of: x, adapting: plan.adapterRuns, pool: pool, filling: fill)
    let place = KVPlace(plan: plan, cache: cache, layer: layer)
    pool.parallelFor(x.rows, grain: 4) { rows in
      for row in rows {
        queryNorm?.apply(toPartsOf: queries[row], count: queryWidth)
        keyNorm?.apply(toPartsOf: keys[row], count: width)
        rotate(queries[row], keys[row], by: row, plan: plan)
        plan.prefixes[row]?.copy(
          position: Int(plan.positions[row]), layer: layer, key: keys[row], value: values[row])
        store(keys[row], values[row], row: row, place)
      }
    }
    attend(queries, into: attended, place, pool: pool)
    let result = Projection(linear: output, output: hidden, adds: !replacing)
    Projection.compute([result], of: attended, adapting: plan.adapterRuns, pool: pool)
  }

  private func rotate(
    _ query: UnsafeMutablePointer<Float>, _ key: UnsafeMutablePointer<Float>, by row: Int,
    plan: BatchPlan
  ) {
    guard let rotary, rotary < plan.rotations.count else { return }
    let rotation = plan.rotations[rotary]
    let half = rotation.pairCount
    rotation.cosines.withUnsafeBufferPointer { cosines in
      rotation.sines.withUnsafeBufferPointer { sines in
        guard let cosine = cosines.baseAddress, let sine = sines.baseAddress else { return }
        let (c, s) = (cosine + row * half, sine + row * half)
        kernels.rope(query, headCount, headDimension, half, c, s)
        kernels.rope(key, keyValueHeadCount, headDimension, half, c, s)
      }
    }
  }

  private func store(
    _ key: UnsafePointer<Float>, _ value: UnsafePointer<Float>, row: Int, _ at: KVPlace
  ) {
    let place = at.plan.places[row]
    let blockOffset = place.block * at.cache.layout.blockBytes
    for head in 0..<keyValueHeadCount {
      martlet_kv_store(
        at.cache.layout.halfPrecision, key + head * headDimension, value + head * headDimension,
        headDimension, place.slot, at.cache.keys(layer: at.layer, head: head) + blockOffset,
        at.cache.values(layer: at.layer, head: head) + blockOffset)
    }
  }

  /// One unit of work is the tokens of a piece and the query heads of one key/value head.
  private func attend(
    _ queries: Activations, into attended: Activations, _ at: KVPlace, pool: ThreadPool
  ) {
    let (plan, cache, layer) = (at.plan, at.cache, at.layer)
    let kernel = kernels.attention
    let groupSize = headCount / keyValueHeadCount
    pool.parallelFor(plan.pieces.count * keyValueHeadCount) { units in
      withPointers(to: plan.blockTable, slopes) { table, slopes in
        for unit in units {
          let (index, head) = unit.quotientAndRemainder(dividingBy: keyValueHeadCount)
          let piece = plan.pieces[index]
          let offset = head * groupSize * headDimension
          var call = martlet_attention(
            half_precision: cache.layout.halfPrecision, causal: causal || reach != nil,
            head_dimension: headDimension, token_count: piece.tokenCount, head_count: groupSize,
            first_length: reach.map { piece.position + $0 + 1 } ?? piece.visibleLength,
            window: reach.map { 2 * $0 + 1 } ?? window,
            length: reach == nil ? 0 : piece.visibleLength, scale: scale, soft_cap: softCap,
            slopes: slopes.map { $0 + head * groupSize }, query: queries[piece.row] + offset,
            query_stride: queries.columns,
            output: attended[piece.row] + offset, output_stride: attended.columns,
            keys: cache.keys(layer: layer, head: head),
            values: cache.values(layer: layer, head: head),
            block_stride: cache.layout.blockBytes, block_table: table + piece.tableStart,
            bias: positionBias?.pointer(head: head * groupSize, position: piece.position),
            bias_stride: positionBias?.stride ?? 0)
          kernel(&call)
        }
      }
    }
  }
}

private func withPointers(
  to table: [Int32], _ slopes: [Float]?,
  _ body: (UnsafePointer<Int32>, UnsafePointer<Float>?) -> Void
) {
  table.withUnsafeBufferPointer { table in
    guard let table = table.baseAddress else { return }
    guard let slopes else { return body(table, nil) }
    slopes.withUnsafeBufferPointer { body(table, $0.baseAddress) }
  }
}

/// Where the batch's keys and values are: a layer of a cache.
private struct KVPlace: Sendable {
  let plan: BatchPlan
  let cache: KVCache
  let layer: Int
}

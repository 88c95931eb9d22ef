// Attention with keys and values in the blocks of a KV cache: project, rotate, store, attend,
// project. The same layer serves decoders (causal, grouped heads) and encoders (all tokens see each
// other). Relies on the kernel folding a token's blocks in order, so that its result does not depend
// on the batch. This chunk's keys and values are read back from the cache, as later chunks read them.

import CKernels
import Compute

struct Attention: Sendable {
  let query, key, value, output: Linear
  let headCount: Int
  let keyValueHeadCount: Int
  let headDimension: Int
  let scale: Float
  let causal: Bool

  func apply(
    _ x: Activations, into y: Activations, plan: BatchPlan, cache: KVCache, layer: Int,
    workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) {
    let queryWidth = headCount * headDimension
    let width = keyValueHeadCount * headDimension
    let queries = try workspace.activations(.query, rows: x.rows, columns: queryWidth)
    let keys = try workspace.activations(.key, rows: x.rows, columns: width)
    let values = try workspace.activations(.value, rows: x.rows, columns: width)
    let attended = try workspace.activations(.attended, rows: x.rows, columns: queryWidth)
    query.apply(x, into: queries, pool: pool)
    key.apply(x, into: keys, pool: pool)
    value.apply(x, into: values, pool: pool)
    if !plan.cosines.isEmpty { rotate(queries, keys, plan: plan, pool: pool) }
    store(keys, values, plan: plan, cache: cache, layer: layer, pool: pool)
    attend(queries, into: attended, plan: plan, cache: cache, layer: layer, pool: pool)
    output.apply(attended, into: y, pool: pool)
  }

  private func rotate(
    _ queries: Activations, _ keys: Activations, plan: BatchPlan, pool: ThreadPool
  ) {
    let rope = kernels.rope
    let half = headDimension / 2
    pool.parallelFor(queries.rows, grain: 4) { rows in
      plan.cosines.withUnsafeBufferPointer { cosines in
        plan.sines.withUnsafeBufferPointer { sines in
          guard let cosine = cosines.baseAddress, let sine = sines.baseAddress else { return }
          for row in rows {
            let (c, s) = (cosine + row * half, sine + row * half)
            rope(queries[row], headCount, headDimension, half, c, s)
            rope(keys[row], keyValueHeadCount, headDimension, half, c, s)
          }
        }
      }
    }
  }

  private func store(
    _ keys: Activations, _ values: Activations, plan: BatchPlan, cache: KVCache, layer: Int,
    pool: ThreadPool
  ) {
    let halfPrecision = cache.layout.halfPrecision
    pool.parallelFor(keys.rows, grain: 4) { rows in
      for row in rows {
        let place = plan.places[row]
        let blockOffset = place.block * cache.layout.blockBytes
        for head in 0..<keyValueHeadCount {
          martlet_kv_store(
            halfPrecision, keys[row] + head * headDimension, values[row] + head * headDimension,
            headDimension, place.slot, cache.keys(layer: layer, head: head) + blockOffset,
            cache.values(layer: layer, head: head) + blockOffset)
        }
      }
    }
  }

  /// One unit of work is the tokens of a piece and the query heads of one key/value head.
  private func attend(
    _ queries: Activations, into attended: Activations, plan: BatchPlan, cache: KVCache,
    layer: Int, pool: ThreadPool
  ) {
    let kernel = kernels.attention
    let groupSize = headCount / keyValueHeadCount
    pool.parallelFor(plan.pieces.count * keyValueHeadCount) { units in
      plan.blockTable.withUnsafeBufferPointer { table in
        guard let table = table.baseAddress else { return }
        for unit in units {
          let (index, head) = unit.quotientAndRemainder(dividingBy: keyValueHeadCount)
          let piece = plan.pieces[index]
          let offset = head * groupSize * headDimension
          var call = martlet_attention(
            half_precision: cache.layout.halfPrecision, causal: causal,
            head_dimension: headDimension, token_count: piece.tokenCount, head_count: groupSize,
            first_length: piece.visibleLength, window: 0, scale: scale,
            query: queries[piece.row] + offset, query_stride: queries.columns,
            output: attended[piece.row] + offset, output_stride: attended.columns,
            keys: cache.keys(layer: layer, head: head),
            values: cache.values(layer: layer, head: head),
            block_stride: cache.layout.blockBytes, block_table: table + piece.tableStart)
          kernel(&call)
        }
      }
    }
  }
}

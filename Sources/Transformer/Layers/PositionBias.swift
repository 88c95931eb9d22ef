// What attention adds to the score of a key by its distance from the query (Raffel et al. 2020, T5):
// distances fall into buckets that grow with them, and every head has a learnt value per bucket.
// Refuses nothing: sizes are the builder's promise.

import Checkpoints
import Compute
import Glibc

struct PositionBias: Sendable {
  /// From one head to the next in the table.
  let stride: Int
  /// [heads][2 * limit]: of key minus query d at d + limit.
  private let table: AlignedBuffer
  private let limit: Int

  /// - Parameters:
  ///   - buckets: [bucketCount][heads]
  ///   - maximumTokens: sequences are no longer
  init(
    buckets: [Float], bucketCount: Int, headCount: Int, maximumTokens: Int
  ) throws(ModelError) {
    limit = maximumTokens
    stride = 2 * maximumTokens
    table = try .forModel(
      purpose: "Position biases", byteCount: headCount * stride * MemoryLayout<Float>.stride)
    let values: UnsafeMutablePointer<Float> = table.elements()
    for index in 0..<stride {
      let bucket = Self.bucket(of: index - limit, bucketCount: bucketCount)
      for head in 0..<headCount {
        values[head * stride + index] = buckets[bucket * headCount + head]
      }
    }
  }

  /// What the attention kernel takes for a head and the position of its first token.
  func pointer(head: Int, position: Int) -> UnsafePointer<Float> {
    precondition(position < limit)
    return UnsafePointer(table.elements(of: Float.self) + head * stride + limit - position)
  }

  /// transformers' relative_position_bucket: keys behind the query in the second half of the buckets,
  /// near distances one to a bucket, far ones by their logarithm up to 128.
  static func bucket(of distance: Int, bucketCount: Int) -> Int {
    let half = bucketCount / 2
    let exact = half / 2
    let start = distance > 0 ? half : 0
    let length = abs(distance)
    if length < exact { return start + length }
    let share = logf(Float(length) / Float(exact)) / logf(128 / Float(exact))
    return start + min(half - 1, exact + Int(share * Float(half - exact)))
  }
}

// The three metrics, higher is better in each. Cosine is the dot product of vectors scaled to
// length 1, both stored rows and queries; a vector of zeros stays as it is and is similar to nothing.
// Relies on the fixed order of the dot kernel: the same vectors give the same bits everywhere.

import Compute

package struct Similarity: Sendable {
  package let metric: Metric

  package init(metric: Metric) { self.metric = metric }

  /// Whether products and differences of such vectors stay within float32: false for values that
  /// are not finite, and for lengths beyond 3e18.
  package static func isUsable(_ vector: [Float]) -> Bool {
    kernels.dot(vector, vector, vector.count) <= 1e37
  }

  /// A usable vector as it is stored in the index or used as a query.
  package func prepared(_ vector: [Float]) -> [Float] {
    guard metric == .cosine else { return vector }
    // Squares of very small values vanish: bring the largest to 1 first.
    let largest = vector.reduce(0) { max($0, abs($1)) }
    guard largest > 0 else { return vector }
    let scaled = largest < 1e-10 ? vector.map { $0 / largest } : vector
    let length = kernels.dot(scaled, scaled, scaled.count).squareRoot()
    return scaled.map { $0 / length }
  }

  package func score(
    _ query: UnsafePointer<Float>, _ row: UnsafePointer<Float>, _ dimension: Int
  ) -> Float {
    switch metric {
    case .cosine, .dot: kernels.dot(query, row, dimension)
    case .euclidean: -Self.distance(query, row, dimension)
    }
  }

  /// The direct formula: the square of a sum of squared differences has no cancellation.
  private static func distance(
    _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>, _ dimension: Int
  ) -> Float {
    var sums = SIMD16<Float>.zero
    var index = 0
    while index + 16 <= dimension {
      let difference =
        UnsafeRawPointer(left + index).loadUnaligned(as: SIMD16<Float>.self)
        - UnsafeRawPointer(right + index).loadUnaligned(as: SIMD16<Float>.self)
      sums += difference * difference
      index += 16
    }
    var rest: Float = 0
    while index < dimension {
      let difference = left[index] - right[index]
      rest += difference * difference
      index += 1
    }
    return (sums.sum() + rest).squareRoot()
  }
}

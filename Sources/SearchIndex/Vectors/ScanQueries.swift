// Queries as the scan takes them: 8-bit codes, and weights that turn what is stored of a row into a
// bound of its float32 score (see scan_kernels.h). With x' and q' for what the codes stand for,
//   q·x - q'·x' = (q - q')·x' + q·(x - x'),   so   |q·x - q'·x'| <= |q - q'| |x'| + |q| |x - x'|.
// On top of that comes rounding: the score's own, in the fixed order of additions, and the scan's.

import CKernels

// SAFETY: written before init returns and never again.
final class ScanQueries: @unchecked Sendable {
  private let codes: UnsafeMutablePointer<Int8>
  private let metric: Metric
  private var squares: [Double] = []
  /// For rows' fine codes, and for coarse ones.
  private(set) var fine: [martlet_scan_query] = []
  private(set) var coarse: [martlet_scan_query] = []

  /// Unit of rounding of float32.
  private static let unit = 0x1p-24
  /// More than all products that vanish below the least float32 add up to.
  private static let underflow: Float = 0x1p-110
  /// Of numbers that are stored to the nearest bfloat16, relative to those: twice its unit.
  private static let coarseRounding: Float = 0x1p-8

  init(_ queries: [[Float]], metric: Metric, dimension: Int) {
    self.metric = metric
    let stride = (dimension + 7) / 8 * 8
    codes = .allocate(capacity: max(1, queries.count * stride))
    for (number, query) in queries.enumerated() {
      let own = codes + number * stride
      add(query, scale: martlet_scan_encode_query(query, dimension, own), own)
    }
  }

  deinit { codes.deallocate() }

  var count: Int { fine.count }

  /// What a row's bound must reach for its score to reach this one. Euclidean scores are -|q - x|, and
  /// bounds are those of |q|^2 - |q - x|^2.
  func threshold(_ query: Int, score: Double) -> Float {
    guard metric == .euclidean, score > -.infinity else { return Float(score) }
    return Float(squares[query] - score * score).nextDown
  }

  private func add(_ query: [Float], scale: Float, _ codes: UnsafeMutablePointer<Int8>) {
    var (square, error, sum) = (0.0, 0.0, Int32(0))
    for (index, value) in query.enumerated() {
      let difference = Double(value) - Double(scale) * Double(codes[index])
      square += Double(value) * Double(value)
      error += difference * difference
      sum += Int32(codes[index])
    }
    let (norm, distance) = (square.squareRoot(), error.squareRoot())
    var scan = martlet_scan_query(
      codes: codes, code_sum: 128 * sum, scale: scale, square_weight: 0, error_weight: 0,
      norm_weight: 0, square_slack: 0, slack: Self.underflow)
    // The kernel's `dot` adds in 64 lanes and a tree; some 10 more roundings are the scan's.
    let rounding = Double(query.count / 64 + 32) * Self.unit * (norm + distance)
    switch metric {
    case .cosine, .dot:
      scan.error_weight = Self.upward(norm)
      scan.norm_weight = Self.upward(distance + rounding)
    case .euclidean:
      // Ranked by |q|^2 - |q - x|^2 = 2 q·x - |x|^2. Differences are squared and added in 16 lanes;
      // what is added to their number keeps scores apart whose square roots round to the same.
      let direct = 4 * Double(query.count / 16 + 64) * Self.unit
      scan.scale = 2 * scale
      scan.square_weight = 1
      scan.error_weight = Self.upward(2 * norm)
      scan.norm_weight = Self.upward(2 * (distance + rounding))
      scan.square_slack = Self.upward(direct)
      scan.slack = Self.upward(direct * square) + Self.underflow
    }
    squares.append(square)
    fine.append(scan)
    if metric == .euclidean { scan.square_slack += Self.coarseRounding }
    coarse.append(scan)
  }

  /// As a float, not less.
  private static func upward(_ value: Double) -> Float { Float(value * (1 + 1e-5)).nextUp }
}

// The search by codes against the plain loop over all rows, id for id, on vectors that are made to
// be confused with each other; the scan of each instruction set against the portable one.

import CKernels
import Compute
import Fuzzing
import Glibc
import Testing

@testable import SearchIndex

@Suite struct VectorSearchTests {
  enum Kind: String, CaseIterable {
    case normal, grid, nearTies, duplicates, denormal, mixed, sparse
  }

  /// Vectors of one kind; for `nearTies`, those of one seed differ from each other by single bits.
  private func vectors(_ kind: Kind, _ count: Int, _ dimension: Int, seed: UInt64) -> [[Float]] {
    var random = SeededRandom(seed: seed)
    func value() -> Float { Float.random(in: -1...1, using: &random) }
    let base = (0..<dimension).map { _ in value() }
    return (0..<count).map { row in
      switch kind {
      case .normal: (0..<dimension).map { _ in value() + value() + value() }
      case .grid: (0..<dimension).map { _ in Float(Int.random(in: -2...2, using: &random)) }
      case .nearTies:
        base.map { value in
          switch Int.random(in: 0..<3, using: &random) {
          case 0: value.nextUp
          case 1: value.nextDown
          default: value
          }
        }
      case .duplicates: base.map { Float(row % 5) * $0 }
      case .denormal: (0..<dimension).map { _ in value() * 0x1p-140 }
      case .mixed:
        (0..<dimension).map { _ in
          value() * Float(sign: .plus, exponent: row % 100 - 50, significand: 1)
        }
      case .sparse:
        (0..<dimension).map { _ in Int.random(in: 0..<9, using: &random) == 0 ? value() : 0 }
      }
    }
  }

  private func matrix(
    _ rows: [[Float]], _ similarity: Similarity, _ storage: VectorStorage = .memory
  ) throws -> VectorMatrix {
    var matrix = VectorMatrix(dimension: rows[0].count, storage: storage)
    try matrix.reserve(rows.count)
    for row in rows { similarity.prepared(row).withUnsafeBufferPointer { matrix.append($0) } }
    return matrix
  }

  private func score(
    _ query: [Float], _ matrix: VectorMatrix, _ row: Int, _ similarity: Similarity
  ) -> Float {
    withExtendedLifetime(matrix) { similarity.score(query, matrix.row(row), matrix.dimension) }
  }

  private func naive(
    _ matrix: VectorMatrix, _ similarity: Similarity, _ query: [Float], _ count: Int,
    _ mask: RowBitmap?
  ) -> [ScoredRow] {
    let scored = (0..<matrix.count).filter { mask?[$0] ?? true }.map { row in
      let score = score(query, matrix, row, similarity)
      return ScoredRow(row: row, score: Double(score))
    }
    return Array(scored.sorted { ($0.score, $1.row) > ($1.score, $0.row) }.prefix(count))
  }

  @Test(arguments: Metric.allCases, Kind.allCases)
  func theResultIsThatOfThePlainLoop(metric: Metric, kind: Kind) throws {
    let similarity = Similarity(metric: metric)
    for (dimension, count) in [(1, 100), (7, 1100), (64, 300), (100, 210)] {
      let matrix = try matrix(vectors(kind, count, dimension, seed: 1), similarity)
      var mask = RowBitmap(rowCount: count)
      for row in 0..<count { mask[row] = (row / 40) % 3 == 1 }
      // Queries from among the vectors, beside them, and of another kind.
      let queries = [
        vectors(kind, 3, dimension, seed: 1), vectors(kind, 4, dimension, seed: 2),
        vectors(.normal, 2, dimension, seed: 3), [[Float](repeating: 0, count: dimension)],
      ].flatMap { $0 }.map(similarity.prepared)
      for mask in [nil, mask] {
        let expected = queries.map { naive(matrix, similarity, $0, count, mask) }
        for (threads, coarseFrom) in [(1, 0), (3, 0), (2, Int.max)] {
          let pool = ThreadPool(threads: threads, niceness: 0)
          let search = VectorSearch(
            matrix, similarity, mask: mask, pool: pool, coarseFrom: coarseFrom)
          for count in [1, 10, 150] {
            let found = search.top(count, for: queries)
            #expect(found == expected.map { Array($0.prefix(count)) }, "\(dimension) \(threads)")
            #expect(search.top(count, for: [queries[1]]) == [found[1]])
          }
        }
      }
    }
  }

  /// Many runs, of which parts are alike: whichever codes are read where, the result is the same.
  @Test(arguments: Metric.allCases, [VectorStorage.memory, .disk(folder: "/tmp")])
  func crowdedRunsAreFoundAlike(metric: Metric, storage: VectorStorage) throws {
    let similarity = Similarity(metric: metric)
    let parts = [
      vectors(.normal, 9000, 12, seed: 21), vectors(.nearTies, 4000, 12, seed: 22),
      vectors(.duplicates, 3000, 12, seed: 22), vectors(.normal, 20_003, 12, seed: 23),
    ]
    let matrix = try matrix(parts.flatMap { $0 }, similarity, storage)
    let queries = (vectors(.nearTies, 2, 12, seed: 22) + vectors(.normal, 7, 12, seed: 24))
      .map(similarity.prepared)
    let expected = queries.map { naive(matrix, similarity, $0, 20, nil) }
    let search = VectorSearch(matrix, similarity, mask: nil, pool: pool, coarseFrom: 0)
    for (query, expected) in zip(queries, expected) {
      #expect(search.top(20, for: [query]) == [expected])
    }
    #expect(search.top(20, for: queries) == expected)
  }

  // MARK: Bounds

  private let codes = [MARTLET_SCAN_FINE, MARTLET_SCAN_COARSE]

  /// Every bound that the scan reports holds for the score.
  @Test(arguments: Metric.allCases, Kind.allCases)
  func boundsHold(metric: Metric, kind: Kind) throws {
    let similarity = Similarity(metric: metric)
    for dimension in [1, 5, 64, 300] {
      let matrix = try matrix(vectors(kind, 160, dimension, seed: 5), similarity)
      let queries = (vectors(kind, 6, dimension, seed: 5) + vectors(.normal, 2, dimension, seed: 6))
        .map(similarity.prepared)
      let scan = ScanQueries(queries, metric: metric, dimension: dimension)
      for codes in codes {
        for (number, hits) in run(kernels, matrix, scan, codes).enumerated() {
          #expect(hits.count == 160)
          let query = queries[number]
          let square = query.reduce(0.0) { $0 + Double($1) * Double($1) }
          for hit in hits {
            var score = Double(score(query, matrix, Int(hit.row), similarity))
            #expect(hit.upper >= scan.threshold(number, score: score))
            if metric == .euclidean { score = square - score * score }
            #expect(score <= Double(hit.upper))
          }
        }
      }
    }
  }

  /// What the coarse codes of a matrix's first row leave of it, as a query that its 8-bit codes stand
  /// for exactly: no bound of that row's score can be lower.
  private func residual(_ matrix: VectorMatrix) -> [Float] {
    // A query of one 1 has the row's coded value as its estimate.
    let units = (0..<matrix.dimension).map { column in
      (0..<matrix.dimension).map { Float($0 == column ? 127 : 0) }
    }
    let scan = ScanQueries(units, metric: .dot, dimension: matrix.dimension)
    let coded = run(kernels, matrix, scan, MARTLET_SCAN_COARSE).map { $0[0].estimate / 127 }
    let row = withExtendedLifetime(matrix) {
      Array(UnsafeBufferPointer(start: matrix.row(0), count: matrix.dimension))
    }
    let rest = zip(row, coded).map { $0 - $1 }
    let largest = rest.reduce(0) { max($0, abs($1)) }
    return rest.map { ($0 / largest * 127).rounded() }
  }

  /// A coarse bound that were a hundredth lower would be wrong.
  @Test(arguments: [7, 64, 384])
  func coarseBoundsAreTight(dimension: Int) throws {
    for seed: UInt64 in 1...5 {
      let matrix = try matrix(
        vectors(.normal, 16, dimension, seed: seed), Similarity(metric: .dot))
      let query = residual(matrix)
      let scan = ScanQueries([query], metric: .dot, dimension: dimension)
      let hit = run(kernels, matrix, scan, MARTLET_SCAN_COARSE)[0][0]
      let score = score(query, matrix, 0, Similarity(metric: .dot))
      #expect(score <= hit.upper)
      #expect(score - hit.estimate >= 0.99 * (hit.upper - hit.estimate))
    }
  }

  /// The best row is the one that its codes hide best, and another one is nearly as good.
  @Test(arguments: Metric.allCases, [7, 64, 384])
  func hiddenRowsAreFound(metric: Metric, dimension: Int) throws {
    let similarity = Similarity(metric: metric)
    for seed: UInt64 in 1...5 {
      let hidden = similarity.prepared(vectors(.normal, 1, dimension, seed: seed)[0])
      let alone = try matrix(Array(repeating: hidden, count: 16), Similarity(metric: .dot))
      let query = similarity.prepared(residual(alone).map { $0 / 64 })
      let score = similarity.score(query, hidden, dimension)
      let second = rival(query, score - abs(score) * 1e-5, metric, seed: seed + 50)
      // All others point away from the query.
      var rows = vectors(.normal, 40_000 / dimension + 2500, dimension, seed: seed + 100).map {
        row in
        let ratio = length(row) / length(query)
        return zip(row, query).map { $0 - 10 * ratio * $1 }
      }
      rows[3] = second
      rows[rows.count - 30] = hidden
      let matrix = try matrix(rows, similarity)
      let expected = naive(matrix, similarity, query, 2, nil)
      #expect(expected.map(\.row) == [rows.count - 30, 3])
      for count in [1, 2] {
        let search = VectorSearch(matrix, similarity, mask: nil, pool: pool, coarseFrom: 0)
        let found = search.top(count, for: [query])
        #expect(found == [Array(expected.prefix(count))])
      }
    }
  }

  private func length(_ vector: [Float]) -> Float {
    kernels.dot(vector, vector, vector.count).squareRoot()
  }

  /// A vector with about this score.
  private func rival(_ query: [Float], _ score: Float, _ metric: Metric, seed: UInt64) -> [Float] {
    let other = vectors(.normal, 1, query.count, seed: seed)[0]
    let square = kernels.dot(query, query, query.count)
    let along = kernels.dot(query, other, query.count) / square
    let across = zip(other, query).map { $0 - along * $1 }
    let size = length(across)
    let unit = across.map { $0 / size }
    return zip(query, unit).map { query, unit in
      switch metric {
      case .cosine: score * query + (1 - score * score).squareRoot() * unit
      case .dot: score / square * query + unit
      case .euclidean: query - score * unit
      }
    }
  }

  private func run(
    _ kernels: martlet_kernels, _ matrix: VectorMatrix, _ scan: ScanQueries,
    _ codes: martlet_scan_codes, allowed: [UInt16]? = nil, threshold: Float = -.infinity
  ) -> [[martlet_scan_hit]] {
    defer { withExtendedLifetime((matrix, scan)) {} }
    let tiles = matrix.count / 16
    let room = [martlet_scan_hit](
      repeating: martlet_scan_hit(row: 0, estimate: 0, upper: 0), count: scan.count * tiles * 16)
    var (hits, counts) = (room, [Int](repeating: 0, count: scan.count))
    let thresholds = [Float](repeating: threshold, count: scan.count)
    let queries = codes == MARTLET_SCAN_FINE ? scan.fine : scan.coarse
    func call(_ allowed: UnsafePointer<UInt16>?) {
      queries.withUnsafeBufferPointer { queries in
        thresholds.withUnsafeBufferPointer { thresholds in
          hits.withUnsafeMutableBufferPointer { hits in
            counts.withUnsafeMutableBufferPointer { counts in
              guard let query = queries.baseAddress, let threshold = thresholds.baseAddress,
                let hits = hits.baseAddress, let counts = counts.baseAddress
              else { return }
              var scan = martlet_scan(
                format: codes, tiles: matrix.tile(0, codes), tile_count: tiles,
                columns: matrix.dimension, allowed: allowed, queries: query,
                thresholds: threshold, query_count: queries.count, hits: hits, hit_counts: counts)
              kernels.scan(&scan)
            }
          }
        }
      }
    }
    if let allowed { allowed.withUnsafeBufferPointer { call($0.baseAddress) } } else { call(nil) }
    return counts.enumerated().map { number, count in
      Array(hits[(number * tiles * 16)..<(number * tiles * 16 + count)])
    }
  }

  @Test(arguments: [1, 3, 4, 8, 9, 16, 17, 63, 64, 100, 384, 1000])
  func instructionSetsAgree(dimension: Int) throws {
    guard let portable = martlet_kernels_named("portable")?.pointee else { return }
    for kind in Kind.allCases {
      let similarity = Similarity(metric: .dot)
      let matrix = try matrix(vectors(kind, 112, dimension, seed: 7), similarity)
      let queries = vectors(kind, 19, dimension, seed: 8)
      for (metric, allowed) in [
        (Metric.dot, nil), (.euclidean, [0, 1, 0xFFFF, 0x8000, 0x0FF0, 0, 7] as [UInt16]?),
        (.dot, [0, 0, 0x0180, 0, 0, 1, 0]),
      ] {
        let scan = ScanQueries(queries, metric: metric, dimension: dimension)
        for (codes, threshold) in codes.flatMap({ codes in
          [-.infinity, 0, 0.5].map { (codes, $0 as Float) }
        }) {
          let expected = run(portable, matrix, scan, codes, allowed: allowed, threshold: threshold)
          for name in ["avx2", "avx512", "avx512vnni", "avx512bf16"] {
            guard let kernels = martlet_kernels_named(name)?.pointee else { continue }
            let found = run(kernels, matrix, scan, codes, allowed: allowed, threshold: threshold)
            for (found, expected) in zip(found, expected) {
              #expect(found.map(\.row) == expected.map(\.row), "\(kind) \(name)")
              #expect(found.map(\.estimate.bitPattern) == expected.map(\.estimate.bitPattern))
              #expect(found.map(\.upper.bitPattern) == expected.map(\.upper.bitPattern))
            }
          }
        }
      }
    }
  }

  // MARK: Matrices

  @Test func copiesStayWhatTheyWere() throws {
    let similarity = Similarity(metric: .dot)
    let rows = vectors(.normal, 1200, 33, seed: 9)
    var matrix = VectorMatrix(dimension: 33)
    var copies: [VectorMatrix] = []
    for row in rows {
      try matrix.reserve(1)
      row.withUnsafeBufferPointer { matrix.append($0) }
      if matrix.count % 200 == 1 { copies.append(matrix) }
    }
    for copy in copies {
      let found = VectorSearch(copy, similarity, mask: nil, pool: pool, coarseFrom: 0).top(
        5, for: [rows[7]])
      #expect(found == [naive(copy, similarity, rows[7], 5, nil)])
    }
  }

  @Test func valuesOnDiskAreFoundAlike() throws {
    let folder = "/tmp/martlet-disk-\(UInt32.random(in: 0 ... .max))"
    mkdir(folder, 0o755)
    defer { rmdir(folder) }
    let similarity = Similarity(metric: .euclidean)
    let rows = vectors(.normal, 2100, 5000, seed: 12)
    var matrix = VectorMatrix(dimension: 5000, storage: .disk(folder: folder))
    try matrix.reserve(rows.count)
    for row in rows { row.withUnsafeBufferPointer { matrix.append($0) } }
    #expect(matrix.byteCount < rows.count * 5000 * 5 / 4, "codes only")
    let query = vectors(.normal, 1, 5000, seed: 13)[0]
    let search = VectorSearch(matrix, similarity, mask: nil, pool: pool, coarseFrom: 0)
    #expect(search.top(9, for: [query]) == [naive(matrix, similarity, query, 9, nil)])
    #expect(rmdir(folder) == 0, "the files have no names")
    #expect(throws: ComputeError.self) { try matrix.reserve(10 * rows.count) }
    #expect(search.top(9, for: [query])[0].count == 9)
  }

  @Test func snapshotsHoldTheSameRows() throws {
    let similarity = Similarity(metric: .cosine)
    // Wide enough for several segments, the last of which is not full.
    let rows = vectors(.normal, 2500, 5000, seed: 10)
    let original = try matrix(rows, similarity)
    #expect(original.count > 2 * original.rowsPerSegment)
    let path = "/tmp/martlet-vectors-\(UInt32.random(in: 0 ... .max))"
    defer { unlink(path) }
    #expect(original.withSections { SnapshotFile.write($0, identity: "v", to: path, pool) })
    let file = try #require(SnapshotFile(path: path, identity: "v", pool: pool))
    func open(_ count: Int, _ dimension: Int) -> VectorMatrix? {
      VectorMatrix(file, firstSection: 0, count: count, dimension: dimension, pool: pool)
    }
    #expect(open(2500, 4999) == nil && open(4000, 5000) == nil)
    let onDisk = VectorMatrix(
      file, firstSection: 0, count: 2500, dimension: 5000, storage: .disk(folder: "/tmp"),
      pool: pool)
    #expect(onDisk == nil, "which has no coarse codes")
    var opened = try #require(open(2500, 5000))
    let more = similarity.prepared(vectors(.normal, 1, 5000, seed: 11)[0])
    try opened.reserve(1)
    more.withUnsafeBufferPointer { opened.append($0) }
    let search = VectorSearch(opened, similarity, mask: nil, pool: pool, coarseFrom: 0)
    let queries = [similarity.prepared(rows[77]), similarity.prepared(rows[2499]), more]
    #expect(search.top(2, for: queries).map { $0[0].row } == [77, 2499, 2500])
    #expect(search.top(9, for: queries)[0] == naive(opened, similarity, queries[0], 9, nil))
  }

  @Test func topRowsKeepsTheBestInAnyOrder() {
    var random = SeededRandom(seed: 11)
    for count in [0, 1, 2, 7, 50, .max] {
      let rows = (0..<200).map { row in
        ScoredRow(row: row, score: Double(Int.random(in: 0...20, using: &random)))
      }
      var top = TopRows(capacity: count)
      for row in rows.shuffled(using: &random) { top.insert(row) }
      #expect(top.sorted == Array(rows.sorted { $0.isBetter(than: $1) }.prefix(count)))
    }
  }
}

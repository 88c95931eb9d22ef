// The two-pass search against the plain loop over all rows, id for id, on vectors that are made to
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

  private func matrix(_ rows: [[Float]], _ similarity: Similarity) throws -> VectorMatrix {
    var matrix = VectorMatrix(dimension: rows[0].count)
    try matrix.reserve(rows.count)
    for row in rows { similarity.prepared(row).withUnsafeBufferPointer { matrix.append($0) } }
    return matrix
  }

  private func naive(
    _ matrix: VectorMatrix, _ similarity: Similarity, _ query: [Float], _ count: Int,
    _ mask: RowBitmap?
  ) -> [ScoredRow] {
    let scored = (0..<matrix.count).filter { mask?[$0] ?? true }.map { row in
      let score = similarity.score(query, matrix.row(row), matrix.dimension)
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
        for threads in [1, 3] {
          let pool = ThreadPool(threads: threads, niceness: 0)
          let search = VectorSearch(matrix, similarity, mask: mask, pool: pool)
          for count in [1, 10, 150] {
            let found = search.top(count, for: queries)
            #expect(found == expected.map { Array($0.prefix(count)) }, "\(dimension) \(threads)")
            #expect(search.top(count, for: [queries[1]]) == [found[1]])
          }
        }
      }
    }
  }

  /// Every bound that the scan reports holds for the score.
  @Test(arguments: Metric.allCases, Kind.allCases)
  func boundsHold(metric: Metric, kind: Kind) throws {
    let similarity = Similarity(metric: metric)
    for dimension in [1, 5, 64, 300] {
      let matrix = try matrix(vectors(kind, 160, dimension, seed: 5), similarity)
      let queries = (vectors(kind, 6, dimension, seed: 5) + vectors(.normal, 2, dimension, seed: 6))
        .map(similarity.prepared)
      let scan = ScanQueries(queries, metric: metric, dimension: dimension)
      for (number, hits) in run(kernels, matrix, scan.all, allowed: nil).enumerated() {
        #expect(hits.count == 160)
        let query = queries[number]
        let square = query.reduce(0.0) { $0 + Double($1) * Double($1) }
        for hit in hits {
          var score = Double(similarity.score(query, matrix.row(Int(hit.row)), dimension))
          if metric == .euclidean { score = square - score * score }
          #expect(Double(hit.lower) <= score && score <= Double(hit.upper))
        }
      }
    }
  }

  private func run(
    _ kernels: martlet_kernels, _ matrix: VectorMatrix, _ queries: [martlet_scan_query],
    allowed: [UInt16]?
  ) -> [[martlet_scan_hit]] {
    let tiles = matrix.count / 16
    let room = [martlet_scan_hit](
      repeating: martlet_scan_hit(row: 0, lower: 0, upper: 0), count: queries.count * tiles * 16)
    var (hits, counts) = (room, [Int](repeating: 0, count: queries.count))
    func call(_ allowed: UnsafePointer<UInt16>?) {
      queries.withUnsafeBufferPointer { queries in
        hits.withUnsafeMutableBufferPointer { hits in
          counts.withUnsafeMutableBufferPointer { counts in
            guard let first = queries.baseAddress, let hits = hits.baseAddress,
              let counts = counts.baseAddress
            else { return }
            var scan = martlet_scan(
              tiles: matrix.tile(0), tile_count: tiles, columns: matrix.dimension,
              allowed: allowed, queries: first, query_count: queries.count, hits: hits,
              hit_counts: counts)
            kernels.scan(&scan)
          }
        }
      }
    }
    if let allowed { allowed.withUnsafeBufferPointer { call($0.baseAddress) } } else { call(nil) }
    return counts.enumerated().map { number, count in
      Array(hits[(number * tiles * 16)..<(number * tiles * 16 + count)])
    }
  }

  @Test(arguments: [1, 3, 4, 16, 17, 63, 64, 100, 384, 1000])
  func instructionSetsAgree(dimension: Int) throws {
    guard let portable = martlet_kernels_named("portable")?.pointee else { return }
    for kind in Kind.allCases {
      let similarity = Similarity(metric: .dot)
      let matrix = try matrix(vectors(kind, 96, dimension, seed: 7), similarity)
      let queries = vectors(kind, 19, dimension, seed: 8)
      for (metric, allowed) in [
        (Metric.dot, nil), (.euclidean, [0, 1, 0xFFFF, 0x8000, 0x0FF0, 0] as [UInt16]?),
        (.dot, [0, 0, 0x0180, 0, 0, 1]),
      ] {
        let scan = ScanQueries(queries, metric: metric, dimension: dimension)
        for threshold: Float in [-.infinity, 0, 0.5] {
          let thresholds = scan.all.map { query in
            var query = query
            query.threshold = threshold
            return query
          }
          let expected = run(portable, matrix, thresholds, allowed: allowed)
          for name in ["avx2", "avx512", "avx512vnni", "avx512bf16"] {
            guard let kernels = martlet_kernels_named(name)?.pointee else { continue }
            let found = run(kernels, matrix, thresholds, allowed: allowed)
            for (found, expected) in zip(found, expected) {
              #expect(found.map(\.row) == expected.map(\.row), "\(kind) \(name)")
              #expect(found.map(\.lower.bitPattern) == expected.map(\.lower.bitPattern))
              #expect(found.map(\.upper.bitPattern) == expected.map(\.upper.bitPattern))
            }
          }
        }
      }
    }
  }

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
      let found = VectorSearch(copy, similarity, mask: nil, pool: pool).top(5, for: [rows[7]])
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
    let search = VectorSearch(matrix, similarity, mask: nil, pool: pool)
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
    var opened = try #require(open(2500, 5000))
    let more = similarity.prepared(vectors(.normal, 1, 5000, seed: 11)[0])
    try opened.reserve(1)
    more.withUnsafeBufferPointer { opened.append($0) }
    let search = VectorSearch(opened, similarity, mask: nil, pool: pool)
    let queries = [similarity.prepared(rows[77]), similarity.prepared(rows[2499]), more]
    #expect(search.top(2, for: queries).map { $0[0].row } == [77, 2499, 2500])
    #expect(search.top(9, for: queries)[0] == naive(opened, similarity, queries[0], 9, nil))
  }

  @Test func topRowsKeepsTheBestInAnyOrder() {
    var random = SeededRandom(seed: 11)
    for count in [0, 1, 2, 7, 50] {
      let rows = (0..<200).map { row in
        ScoredRow(row: row, score: Double(Int.random(in: 0...20, using: &random)))
      }
      var top = TopRows(capacity: count)
      for row in rows.shuffled(using: &random) { top.insert(row) }
      #expect(top.sorted == Array(rows.sorted { $0.isBetter(than: $1) }.prefix(count)))
    }
  }
}

// Searches against plain loops over the texts, through segments, merges, masks and snapshots.

import Compute
import Fuzzing
import Glibc
import Testing

@testable import SearchIndex

let pool = ThreadPool(threads: 2, niceness: 0)

@Suite struct LexicalIndexTests {
  /// Words whose frequencies fall with their rank, in texts of very different lengths.
  private func texts(_ count: Int, seed: UInt64) -> [String] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { _ in
      (0..<Int.random(in: 0...(Bool.random(using: &random) ? 12 : 90), using: &random)).map { _ in
        let rank = Int(pow(300, Double.random(in: 0..<1, using: &random)))
        return "w\(rank)"
      }.joined(separator: " ")
    }
  }

  private func index(_ texts: [String], batch: Int = .max) throws -> LexicalIndex {
    var index = LexicalIndex()
    for start in stride(from: 0, to: texts.count, by: min(batch, texts.count)) {
      let part = Array(texts[start..<min(start + min(batch, texts.count), texts.count)])
      index = try index.appending(part, language: "en", pool)
    }
    return index
  }

  private func search(
    _ query: String, _ index: LexicalIndex, _ count: Int = .max, mask: RowBitmap? = nil
  ) -> [ScoredRow] {
    LexicalSearch(LexicalQuery(query, language: "en"), in: index, mask: mask)
      .top(min(count, index.rowCount))
  }

  /// BM25 by the formula.
  private func naive(_ query: [String], _ texts: [String]) -> [Int: Double] {
    let words = texts.map { $0.split(separator: " ").map(String.init) }
    let average = Double(words.reduce(0) { $0 + $1.count }) / Double(texts.count)
    var scores: [Int: Double] = [:]
    for term in query {
      let n = Double(words.count { $0.contains(term) })
      let idf = log(1 + (Double(texts.count) - n + 0.5) / (n + 0.5))
      for (row, words) in words.enumerated() {
        let f = Double(words.count { $0 == term })
        guard f > 0 else { continue }
        let norm = 1.2 * (0.25 + 0.75 * Double(words.count) / average)
        scores[row, default: 0] += idf * f * 2.2 / (f + norm)
      }
    }
    return scores
  }

  private let queries = [
    "w1", "w1 w2 w3 w250", "w7 w7 w40", "w299 w298", "w1 w280", "w999", "w5 w999",
  ]

  @Test func scoresAreBM25() throws {
    let texts = texts(300, seed: 1)
    let index = try index(texts)
    for query in queries {
      let expected = naive(query.split(separator: " ").map(String.init), texts)
      let found = search(query, index)
      #expect(Set(found.map(\.row)) == Set(expected.keys), "\(query)")
      for row in found { #expect(abs(row.score - (expected[row.row] ?? -1)) < 1e-5) }
    }
  }

  @Test func partsAddUpToTheScore() throws {
    let texts = texts(400, seed: 5).enumerated().map { $1 + ($0 % 3 == 0 ? " 机器学习" : "") }
    let index = try index(texts, batch: 90)
    for query in queries + ["w2* w3", "\"w1 w2\" w1 w1", "机器学习 学", "\"机器学习\" w1"] {
      let search = LexicalSearch(LexicalQuery(query, language: "en"), in: index, mask: nil)
      for hit in search.top(texts.count) {
        let parts = search.parts(ofRow: hit.row)
        #expect(parts.reduce(0) { $0 + $1.score } == hit.score, "\(query)")
        #expect(parts.allSatisfy { $0.frequency > 0 && $0.rowCount > 0 && $0.score > 0 })
      }
    }
    let search = LexicalSearch(LexicalQuery("w1 w1", language: "en"), in: index, mask: nil)
    let part = try #require(search.top(1).first.map { search.parts(ofRow: $0.row) }?.first)
    let rows = texts.count { $0.split(separator: " ").contains("w1") }
    #expect(part.clause == "w1" && part.queryFrequency == 2 && part.rowCount == rows)
    #expect(abs(part.idf - log(1 + (400 - Double(rows) + 0.5) / (Double(rows) + 0.5))) < 1e-12)
  }

  @Test(arguments: [1, 17, 100_000])
  func theBestAreThoseOfAnExhaustiveSearch(batch: Int) throws {
    let texts = texts(batch == 1 ? 200 : 4500, seed: 2)
    let index = try index(texts, batch: batch)
    #expect(index.segments.count < 60 && index.rowCount == texts.count)
    var random = SeededRandom(seed: 3)
    let masks: [RowBitmap?] =
      [nil]
      + [2, 20, 500].map { share in
        var mask = RowBitmap(rowCount: texts.count)
        for row in texts.indices { mask[row] = Int.random(in: 0..<share, using: &random) == 0 }
        return mask
      }
    for query in queries + ["w*", "\"w1 w2\" w3", "w2* w1", "\"w1 w1\""] {
      let all = search(query, index)
      #expect(zip(all, all.dropFirst()).allSatisfy { $0.isBetter(than: $1) })
      for mask in masks {
        let allowed = all.filter { mask?[$0.row] ?? true }
        for count in [1, 10, 100] {
          #expect(
            search(query, index, count, mask: mask) == Array(allowed.prefix(count)), "\(query)")
        }
      }
      let known = Dictionary(uniqueKeysWithValues: all.map { ($0.row, $0.score) })
      let rows = Array(stride(from: 0, to: texts.count, by: 7))
      let scores = LexicalSearch(LexicalQuery(query, language: "en"), in: index, mask: nil)
        .scores(ofRows: rows)
      #expect(scores == rows.map { known[$0] })
    }
  }

  @Test func mergesChangeNothing() throws {
    let texts = texts(600, seed: 4)
    let whole = try index(texts)
    for batch in [3, 64, 250] {
      let parts = try index(texts, batch: batch)
      for query in queries + ["w1*", "\"w2 w1\""] {
        #expect(search(query, parts) == search(query, whole), "\(query) in batches of \(batch)")
      }
    }
  }

  @Test func rowsThatAreNotKeptLeaveNoTrace() throws {
    let texts = texts(900, seed: 5)
    var live = RowBitmap(rowCount: texts.count)
    for row in texts.indices { live[row] = row % 3 != 1 }
    let swept = try index(texts, batch: 100).keeping(live)
    let fresh = try index(texts.indices.filter { live[$0] }.map { texts[$0] })
    #expect(swept.rowCount == 600)
    for query in queries + ["w2*", "\"w1 w3\""] {
      #expect(search(query, swept) == search(query, fresh))
    }
    #expect(try index(texts).keeping(RowBitmap(rowCount: 900)).rowCount == 0)
  }

  @Test func phrasesAndBeginnings() throws {
    let index = try index([
      "red apple pie", "apple red pie", "red red apple", "a red, apple", "reddish apples",
      "大语言模型", "模型语言", "error GPT-4 and GPT 4", "GPT 5 and 4",
    ])
    func rows(_ query: String) -> Set<Int> { Set(search(query, index).map(\.row)) }
    #expect(rows("\"red apple\"") == [0, 2, 3])
    #expect(rows("\"apple pie\" red") == [0, 1, 2, 3])
    #expect(rows("red*") == [0, 1, 2, 3, 4])
    #expect(rows("\"语言模型\"") == [5] && rows("型") == [5, 6] && rows("言") == [5, 6])
    #expect(rows("\"pie apple\"").isEmpty && rows("zzz*").isEmpty)
    #expect(search("GPT-4", index).first?.row == 7)
  }

  /// Frequencies, lengths and gaps that need every number of bits.
  @Test func extremeTexts() throws {
    let index = try index(
      [String(repeating: "many ", count: 70_000), "many", "", "x"]
        + Array(repeating: "filler", count: 3000) + ["many few"])
    #expect(Set(search("many", index).map(\.row)) == [0, 1, 3004])
    #expect(search("many", index, 1) == Array(search("many", index).prefix(1)))
    #expect(search("\"many many\"", index).map(\.row) == [0])
    #expect(search("", index).isEmpty && search("x", LexicalIndex()).isEmpty)
  }

  // MARK: Snapshots

  private func withFolder(_ body: (String) throws -> Void) throws {
    let folder = "/tmp/martlet-snapshot-\(UInt32.random(in: 0 ... .max))"
    mkdir(folder, 0o700)
    defer {
      unlink(folder + "/words")
      rmdir(folder)
    }
    try body(folder + "/words")
  }

  @Test func snapshotsAreTakenOnlyWhole() throws {
    let texts = texts(500, seed: 6)
    let original = try index(texts, batch: 60)
    try withFolder { path in
      #expect(original.withSections { SnapshotFile.write($0, identity: "g 7", to: path, pool) })
      #expect(SnapshotFile(path: path, identity: "g 8", pool: pool) == nil)
      #expect(SnapshotFile(path: path + "?", identity: "g 7", pool: pool) == nil)
      let file = try #require(SnapshotFile(path: path, identity: "g 7", pool: pool))
      let opened = try #require(LexicalIndex(file))
      for query in queries { #expect(search(query, opened) == search(query, original)) }
      let more = try opened.appending(["w1 w2"], language: "en", pool)
      #expect(search("w1", more).count == search("w1", original).count + 1)
      try damagesAreNoticed(path)
    }
  }

  /// Checksums hold, lengths don't: the snapshot is refused, and nothing is read beyond its end.
  @Test func segmentsOfAnotherLengthThanTheirHeaderSaysAreRefused() throws {
    let original = try index(texts(50, seed: 9))
    let whole = original.withSections { Array($0[0]) }
    var damaged = [Array(whole.dropLast(64)), whole + [UInt8](repeating: 0, count: 64), []]
    // Every count but the words', which is a sum and no length.
    for offset in [0, 16, 24, 32, 40, 48] {
      for value in [UInt64.max, 1 << 40, 1 << 20, 0] {
        var bytes = whole
        withUnsafeBytes(of: value) { bytes.replaceSubrange(offset..<offset + 8, with: $0) }
        damaged.append(bytes)
      }
    }
    try withFolder { path in
      func isTaken(_ section: [UInt8]) throws -> Bool {
        let isWritten = section.withUnsafeBytes {
          SnapshotFile.write([$0], identity: "g", to: path, pool)
        }
        #expect(isWritten)
        let file = try #require(SnapshotFile(path: path, identity: "g", pool: pool))
        return LexicalIndex(file) != nil
      }
      let taken = try ([whole] + damaged).map(isTaken)
      #expect(taken == [true] + damaged.map { _ in false })
    }
  }

  private func damagesAreNoticed(_ path: String) throws {
    let descriptor = open(path, O_RDWR)
    defer { close(descriptor) }
    let size = Int(lseek(descriptor, 0, SEEK_END))
    var random = SeededRandom(seed: 8)
    for _ in 0..<200 {
      let offset = Int.random(in: 0..<size, using: &random)
      var byte: UInt8 = 0
      #expect(pread(descriptor, &byte, 1, offset) == 1)
      let original = byte
      byte ^= 1 << UInt8.random(in: 0..<8, using: &random)
      #expect(pwrite(descriptor, &byte, 1, offset) == 1)
      if let file = SnapshotFile(path: path, identity: "g 7", pool: pool) {
        // What lies between the sections says nothing.
        #expect(original == 0 && file.sections.count > 0)
      }
      byte = original
      #expect(pwrite(descriptor, &byte, 1, offset) == 1)
    }
    #expect(SnapshotFile(path: path, identity: "g 7", pool: pool) != nil)
    for length in [size - 4096, 5000, 100, 0] {
      #expect(ftruncate(descriptor, length) == 0)
      #expect(SnapshotFile(path: path, identity: "g 7", pool: pool) == nil)
    }
  }

  @Test func bitmaps() {
    var random = SeededRandom(seed: 9)
    for count in [0, 1, 63, 64, 65, 200] {
      var bitmap = RowBitmap()
      var model: [Bool] = []
      for _ in 0..<count {
        model.append(Bool.random(using: &random))
        bitmap.append(model[model.count - 1])
      }
      #expect(bitmap.count == model.count { $0 } && bitmap.rowCount == count)
      #expect(RowBitmap(rowCount: count, true).count == count)
      for first in stride(from: 0, to: count, by: 13) {
        var rows: [Int] = []
        bitmap.forEach(in: first..<count) { rows.append($0) }
        #expect(rows == (first..<count).filter { model[$0] })
      }
    }
  }
}

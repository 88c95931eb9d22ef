// The documents of an index in memory: their metadata as text, however long or damaged.

import JSON
import Testing

@testable import Retrieval

@Suite struct DocumentTableTests {
  private func table(_ texts: [[UInt8]]) throws -> DocumentTable {
    var (names, metadata) = (ByteStrings(), ByteStrings())
    for (slot, text) in texts.enumerated() {
      names.append("\(slot)".utf8)
      metadata.append(text)
    }
    let table = DocumentTable(
      rowIDs: texts.indices.map { Int64($0) + 1 }, rowEnds: texts.indices.map { $0 + 1 },
      names: names, metadata: metadata)
    return try #require(table)
  }

  private func values(_ table: DocumentTable, in slots: Range<Int>? = nil) -> [JSONValue?] {
    var values: [JSONValue?] = []
    table.forEachMetadata(in: slots ?? 0..<table.slotCount) { values.append($0["n"]?.value) }
    return values
  }

  /// They are parsed in runs, which end before they become long.
  @Test(arguments: [0, 400, 3000, 500_000]) func metadataOfAnyLengthAreRead(_ padding: Int) throws {
    let count = padding > 100_000 ? 7 : 2500
    let pad = String(repeating: "x", count: padding)
    let table = try table(
      (0..<count).map { Array("{\"pad\":\"\(pad)\",\"n\":\($0)}".utf8) })
    #expect(values(table) == (0..<count).map { .integer(Int64($0)) })
    #expect(values(table, in: 2..<5) == [2, 3, 4] && values(table, in: 3..<3).isEmpty)
  }

  /// Readers wait for a change: it must not take longer the more documents there are.
  @Test func aChangeMovesNoOtherMetadata() throws {
    func place(_ table: DocumentTable) -> UnsafePointer<UInt8>? {
      table.metadata.bytes.withUnsafeBufferPointer(\.baseAddress)
    }
    var table = try table((0..<100).map { Array("{\"n\":\($0)}".utf8) })
    let before = table
    #expect(
      table.setMetadata([(4, ["n": "longer than it was"]), (1, [:]), (101, ["n": 7])]) == [3, 0])
    #expect(place(table) == place(before))
    let expected: [JSONValue?] =
      [nil, 1, 2, "longer than it was"] + (4..<100).map { .integer($0) }
    #expect(values(table) == expected && table[3]?.metadata == ["n": "longer than it was"])
    #expect(values(before) == (0..<100).map { .integer($0) })
    table.append(200, name: "200", metadata: ["n": 200], rowCount: 1)
    #expect(table.setMetadata([(200, ["n": 201])]) == [100])
    #expect(values(table) == expected + [201])
    let gathered = table.gathered()
    #expect(values(gathered) == expected + [201] && place(gathered) != place(table))
    #expect(gathered.metadata.bytes.count == gathered.metadata.ends.last)
    #expect(values(table.swept()) == expected + [201])
  }

  @Test func manyChangesAreGathered() throws {
    var index = CollectionIndex(collection: 1, generation: 0, metric: .dot, dimension: 4)
    for id in 1...3000 {
      index.append(
        IndexChange.Addition(rowID: Int64(id), name: "\(id)", metadata: ["n": 0], chunks: []))
    }
    let catalog = IndexCatalog(storage: .memory)
    catalog.set(index)
    var change = IndexChange(collection: 1, generation: 1)
    change.metadata = (1...2000).map { (Int64($0), ["n": .integer($0)]) }
    index.apply(change)
    #expect(index.documents.isScattered)
    catalog.apply(change)
    let current = try #require(catalog.current(1))
    #expect(!current.documents.isScattered && current.generation == 1)
    #expect(
      values(current.documents)
        == (1...2000).map { .integer($0) } + Array(repeating: 0, count: 1000))
  }

  /// A filter after a change reads what has changed, not all metadata again.
  @Test func columnsOutliveChanges() throws {
    let table = try table((0..<64).map { Array("{\"n\":\($0)}".utf8) })
    let cache = MetadataCache()
    #expect(cache.column("n", of: table).rows(64, having: [5]).count == 1)
    // All are others, so that it shows which were read.
    var others = table
    let slots = others.setMetadata((1...64).map { ($0, ["n": -1]) })
    let changed = cache.changing([5, 5], of: others)
    let rows = changed.column("n", of: others).rows(64, having: [-1])
    #expect(rows[5] && rows.count == 1)
    #expect(cache.column("n", of: table).rows(64, having: [5])[5])
    // So many that the column is made anew.
    let renewed = changed.changing(slots, of: others)
    #expect(renewed.column("n", of: others).rows(64, having: [-1]).count == 64)
  }

  @Test(arguments: ["", "no JSON", "{", "1,2", "[", "{},{\"n\":7}", "null", "\u{0}"])
  func aDamagedTextCountsAsNone(_ damaged: String) throws {
    var texts = (0..<5).map { Array("{\"n\":\($0)}".utf8) }
    texts[2] = Array(damaged.utf8)
    let table = try table(texts)
    #expect(values(table) == [0, 1, nil, 3, 4])
    #expect(table[2]?.metadata == [:] && table[3]?.metadata == ["n": 3])
    let rows = FilterPredicate(.comparison(.exists, key: "n", value: true)).rows(5) {
      MetadataCache().column($0, of: table)
    }
    #expect((0..<5).map { rows[$0] } == [true, true, false, true, true])
  }
}

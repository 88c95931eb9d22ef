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

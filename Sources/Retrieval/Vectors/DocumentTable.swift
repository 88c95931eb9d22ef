// The documents of an index, each in a slot: its id, its rows, its name and its metadata, the latter
// as JSON text that is parsed when it is asked for. Slots are in the order of rows and are never used
// again; of a document that is gone the metadata stays, because copies of the table that still have it
// share what was made from them.

import JSON

/// A document in memory. Its chunks are consecutive rows.
struct IndexedDocument: Sendable {
  /// In the database.
  var rowID: Int64
  var name: String
  var metadata: JSONObject
  var rows: Range<Int>
}

struct DocumentTable: Sendable {
  /// Per slot: in the database; 0 where the document is gone.
  private(set) var rowIDs: [Int64] = []
  /// Per slot: the end of its rows, which begin where those of the slot before end.
  private(set) var rowEnds: [Int] = []
  private(set) var names = ByteStrings()
  private(set) var metadata = ByteStrings()
  private var slots: [Int64: Int] = [:]

  init() {}

  /// What these were of another table; nil where they don't fit together.
  init?(rowIDs: [Int64], rowEnds: [Int], names: ByteStrings, metadata: ByteStrings) {
    guard rowEnds.count == rowIDs.count, names.count == rowIDs.count,
      metadata.count == rowIDs.count, rowEnds.ascend, rowEnds.first ?? 0 >= 0
    else { return nil }
    self.rowIDs = rowIDs
    self.rowEnds = rowEnds
    self.names = names
    self.metadata = metadata
    slots.reserveCapacity(rowIDs.count)
    for (slot, id) in rowIDs.enumerated() where id != 0 {
      guard slots.updateValue(slot, forKey: id) == nil else { return nil }
    }
  }

  /// Documents that are there.
  var count: Int { slots.count }
  var slotCount: Int { rowIDs.count }

  /// nil: gone.
  subscript(slot: Int) -> IndexedDocument? {
    guard rowIDs[slot] != 0 else { return nil }
    let metadata = (try? JSONValue(parsing: Array(metadata[slot])))?.object
    return IndexedDocument(
      rowID: rowIDs[slot], name: String(decoding: names[slot], as: UTF8.self),
      metadata: metadata ?? [:], rows: rows(ofSlot: slot))
  }

  func slot(of rowID: Int64) -> Int? { slots[rowID] }

  func rows(ofSlot slot: Int) -> Range<Int> { (slot == 0 ? 0 : rowEnds[slot - 1])..<rowEnds[slot] }

  /// Calls `body` with the metadata in each of the slots, those of documents that are gone included; a
  /// text that is no JSON, and so is damaged, counts as none.
  func forEachMetadata(in slots: Range<Int>, _ body: (JSONNode) -> Void) {
    var rest = slots
    while !rest.isEmpty {
      // Many at a time, as one array: most of them are shorter than parsing one by one is worth.
      var array = [UInt8(ascii: "[")]
      var run = rest.prefix(0)
      while run.count < min(rest.count, Self.parsedCount), array.count < Self.parsedByteCount {
        if !run.isEmpty { array.append(UInt8(ascii: ",")) }
        array += metadata[run.upperBound]
        run = rest.prefix(run.count + 1)
      }
      array.append(UInt8(ascii: "]"))
      if let document = Self.document(array), document.root.count == run.count {
        document.root.forEachElement(body)
      } else {
        for slot in run { body((Self.document(Array(metadata[slot])) ?? JSONDocument()).root) }
      }
      rest = run.upperBound..<rest.upperBound
    }
  }

  private static let parsedCount = 1024
  private static let parsedByteCount = 1 << 20

  private static func document(_ text: [UInt8]) -> JSONDocument? {
    try? JSONDocument(parsing: text, maximumDepth: .max)
  }

  // MARK: Changing

  /// A document with the rows that follow those of the last slot.
  mutating func append(_ rowID: Int64, name: String, metadata: JSONObject, rowCount: Int) {
    slots[rowID] = slotCount
    rowIDs.append(rowID)
    rowEnds.append((rowEnds.last ?? 0) + rowCount)
    names.append(name.utf8)
    self.metadata.append(JSONValue.object(metadata).serialized())
  }

  /// The rows of the document that is gone now; nil where there was none.
  mutating func remove(_ rowID: Int64) -> Range<Int>? {
    guard let slot = slots.removeValue(forKey: rowID) else { return nil }
    rowIDs[slot] = 0
    return rows(ofSlot: slot)
  }

  /// The slots of those documents that there are.
  mutating func setMetadata(_ changes: [(rowID: Int64, metadata: JSONObject)]) -> [Int] {
    changes.compactMap { rowID, metadata in
      guard let slot = slots[rowID] else { return nil }
      self.metadata.replace(slot, with: JSONValue.object(metadata).serialized())
      return slot
    }
  }

  /// Whether so many metadata have changed that `gathered` is worth its copy.
  var isScattered: Bool { metadata.isScattered }

  /// The same documents, with the metadata that have changed in their places.
  func gathered() -> DocumentTable {
    var table = self
    table.metadata = metadata.gathered()
    return table
  }

  /// The table without documents that are gone: the rows of the others move together.
  func swept() -> DocumentTable {
    var swept = DocumentTable()
    for slot in rowIDs.indices where rowIDs[slot] != 0 {
      swept.slots[rowIDs[slot]] = swept.slotCount
      swept.rowIDs.append(rowIDs[slot])
      swept.rowEnds.append((swept.rowEnds.last ?? 0) + rows(ofSlot: slot).count)
      swept.names.append(names[slot])
      swept.metadata.append(metadata[slot])
    }
    return swept
  }
}

// Text around a chunk: neighbouring chunks, the section that it is in, or its document, as far as the
// size allows; then what is nearest to the chunk.
// A section begins with a Markdown heading; in a text without headings it is the paragraphs, set apart
// by empty lines, that the chunk touches.

import Documents
import GRDB

struct PassageContext {
  let expansion: Expansion
  let database: Database
  /// Texts of documents by their database id: several results may share one.
  private var texts: [Int64: ScalarText] = [:]
  private var sections: [Int64: TextSections] = [:]

  init(_ expansion: Expansion, _ database: Database) {
    self.expansion = expansion
    self.database = database
  }

  /// - Parameter format: what the document was made from
  mutating func around(
    _ chunk: ChunkRecord, ofDocument document: Int64, format: String?
  ) throws -> ChunkContext? {
    guard let text = try text(of: document) else { return nil }
    // A damaged row can say anything.
    guard 0 <= chunk.start, chunk.start <= chunk.end, chunk.end <= text.count else { return nil }
    let own = chunk.start..<chunk.end
    let wanted: Range<Int>
    switch expansion.extent {
    case .chunks:
      let middle = min(max(0, chunk.ordinal), Int(Int32.max))
      let neighbours = try ChunkRecord.extent(
        of: document, ordinals: middle - expansion.count...middle + expansion.count, database)
      wanted = (neighbours ?? own).clamped(to: 0..<text.count)
    case .section:
      let known = sections[document] ?? TextSections(text, format: format)
      sections[document] = known
      wanted = known.section(around: own)
    case .document: wanted = 0..<text.count
    }
    let range = Self.limited(wanted, around: own, to: expansion.maximumSize)
    return ChunkContext(text: text.string(range), start: range.lowerBound, end: range.upperBound)
  }

  private mutating func text(of document: Int64) throws -> ScalarText? {
    if let known = texts[document] { return known }
    guard let text = try DocumentRecord.text(document, database) else { return nil }
    let scalars = ScalarText(text)
    texts[document] = scalars
    return scalars
  }

  /// At most `size` of the range, as much before the chunk as behind it, and never less than it.
  static func limited(_ range: Range<Int>, around own: Range<Int>, to size: Int) -> Range<Int> {
    let whole = min(range.lowerBound, own.lowerBound)..<max(range.upperBound, own.upperBound)
    guard whole.count > size else { return whole }
    let room = max(0, size - own.count)
    let (before, behind) = (
      own.lowerBound - whole.lowerBound, whole.upperBound - own.upperBound
    )
    // Half of it on each side; what one side can't use goes to the other.
    let first = min(before, max(room / 2, room - behind))
    return own.lowerBound - first..<own.upperBound + min(behind, room - first)
  }
}

/// Headings and paragraphs of a text.
struct TextSections {
  private let text: ScalarText
  private let headings: [(level: Int, start: Int)]
  /// Where lines without anything to read begin and end.
  private var emptyLines: [Range<Int>] = []

  init(_ text: ScalarText, format: String? = nil) {
    self.text = text
    headings = MarkdownHeadings.find(in: text, format: format)
    var start = 0
    while start < text.count {
      let end = text.scalars[start...].firstIndex(of: "\n") ?? text.count
      if text.trimmed(start..<end).isEmpty { emptyLines.append(start..<end) }
      start = end + 1
    }
  }

  func section(around range: Range<Int>) -> Range<Int> {
    guard !headings.isEmpty else { return paragraphs(around: range) }
    // A chunk may begin with its heading.
    guard let own = headings.lastIndex(where: { $0.start <= range.lowerBound }) else {
      return 0..<max(range.upperBound, headings[0].start)
    }
    let next = headings[(own + 1)...].first {
      $0.level <= headings[own].level && $0.start >= range.upperBound
    }
    return headings[own].start..<(next?.start ?? text.count)
  }

  private func paragraphs(around range: Range<Int>) -> Range<Int> {
    let start = emptyLines.last { $0.upperBound < range.lowerBound }.map { $0.upperBound + 1 }
    let end = emptyLines.first { $0.lowerBound >= range.upperBound }?.lowerBound
    return text.trimmed((start ?? 0)..<(end ?? text.count))
  }
}

// Damaged documents of every format: what comes of them is documents or an error, never a crash, and
// it comes soon. `make fuzz` goes on longer.

import Archives
import Fuzzing
import Testing

@testable import Documents

@Suite struct ExtractorFuzzTests {
  private static let files = [
    "handbook.html", "handbook.docx", "handbook.odt", "handbook.epub", "mixed.zip", "mixed.tar",
    "mixed.tar.gz", "gnu.tar", "rows.csv", "rows.jsonl",
  ]

  @Test(arguments: files) func damagedFilesNeverCrash(name: String) throws {
    let sound = try DocumentFileTests.bytes(name)
    var random = SeededRandom(seed: FuzzRun.seed(UInt64(name.utf8.count)))
    var limits = ExtractionLimits()
    limits.byteCount = 4 << 20
    var (read, refused) = (0, 0)
    for _ in 0..<FuzzRun.rounds(60) {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...6, using: &random) { Self.damage(&bytes, &random) }
      var source = DocumentSource(bytes: bytes, fileName: name, id: "f")
      if name.hasPrefix("rows") { source.fields = FieldMap(text: ["body"]) }
      do {
        _ = try Extractors.documents(from: source, limits: limits)
        read += 1
      } catch {
        refused += 1
      }
    }
    #expect(read + refused == FuzzRun.rounds(60))
  }

  private static func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) {
    guard !bytes.isEmpty else { return }
    let at = Int.random(in: bytes.indices, using: &random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
    case 2: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...40, using: &random)))
    case 3: bytes.insert(contentsOf: bytes[at..<min(bytes.count, at + 30)], at: at)
    default: bytes.removeLast(Int.random(in: 0...min(bytes.count, 60), using: &random))
    }
  }

  /// The structures of archives, damaged where it hurts: sizes, offsets, counts.
  @Test func damagedDirectoriesNeverCrash() throws {
    let sound = try DocumentFileTests.bytes("mixed.zip")
    let directory = try #require(
      sound.indices.dropLast(4).first { sound[$0..<$0 + 4].elementsEqual([0x50, 0x4B, 1, 2]) })
    var random = SeededRandom(seed: FuzzRun.seed(77))
    for _ in 0..<FuzzRun.rounds(2000) {
      var bytes = sound
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: directory..<bytes.count, using: &random)] =
          [0, 0xFF, 0x7F, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random)
          ?? 0
      }
      _ = bytes.withUnsafeBytes { all in
        try? ZipArchive(of: all).entries.map { entry in
          (try? ZipArchive.contents(of: entry, in: all, limit: 1 << 20))?.count ?? 0
        }
      }
    }
  }

  /// Every field of a row is a field of the text that made it.
  @Test func delimitedTextComesBack() throws {
    var random = SeededRandom(seed: FuzzRun.seed(5))
    let pieces = ["a", ",", "\"", "\n", "\r\n", "中", " ", ""]
    for _ in 0..<FuzzRun.rounds(300) {
      let rows = (0..<Int.random(in: 1...4, using: &random)).map { _ in
        (0..<3).map { _ in
          (0..<Int.random(in: 1...5, using: &random)).map { _ in
            pieces.randomElement(using: &random) ?? ""
          }.joined()
        }
      }
      let text = rows.map { row in
        row.map { "\"" + $0.replacing("\"", with: "\"\"") + "\"" }.joined(separator: ",")
      }.joined(separator: "\n")
      var parser = DelimitedParser(text, separator: ",")
      var found: [[String]] = []
      while let row = try parser.next() { found.append(row) }
      #expect(found == rows)
    }
  }
}

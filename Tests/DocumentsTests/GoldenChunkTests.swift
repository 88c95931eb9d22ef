// The character and recursive chunkers against LangChain's own output.

import FoundationEssentials
import JSON
import Testing

@testable import Documents

@Suite struct GoldenChunkTests {
  struct Case {
    let text: ScalarText
    let separator: String
    let settings: ChunkingSettings
    let chunks: [String]
  }

  static func cases(_ splitter: ChunkingStrategy) throws -> [Case] {
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/retrieval/splitters.json")
    let golden = try JSONValue(parsing: [UInt8](Data(contentsOf: fixture)))
    let texts = try #require(golden["texts"]?.array).compactMap(\.string).map(ScalarText.init)
    return try #require(golden["cases"]?.array).filter {
      $0["splitter"]?.string == splitter.rawValue
    }
    .map { golden in
      var settings = ChunkingSettings()
      settings.strategy = splitter
      settings.size = try #require(golden["size"]?.int)
      settings.overlap = try #require(golden["overlap"]?.int)
      settings.separator = golden["separator"]?.string ?? "\n\n"
      return Case(
        text: texts[try #require(golden["text"]?.int)], separator: settings.separator,
        settings: settings, chunks: try #require(golden["chunks"]?.array).compactMap(\.string))
    }
  }

  /// LangChain joins pieces with one separator even where the text has several in a row, so there
  /// only the pieces are the same.
  @Test func charactersCutsLikeLangChain() throws {
    let cases = try Self.cases(.characters)
    #expect(cases.count > 150)
    var exact = 0
    for golden in cases {
      let chunks = golden.settings.chunker(limit: nil).chunks(of: golden.text)
      let texts = chunks.map(golden.text.string)
      if texts == golden.chunks {
        exact += 1
      } else {
        #expect(golden.separator != "")
        #expect(texts.map { pieces($0, golden) } == golden.chunks.map { pieces($0, golden) })
      }
    }
    #expect(exact > cases.count / 2)
  }

  private func pieces(_ chunk: String, _ golden: Case) -> [String] {
    let text = ScalarText(chunk)
    let separator = Array(golden.separator.unicodeScalars)
    return text.pieces(within: 0..<text.count, separatedBy: separator).map(text.trimmed)
      .filter { !$0.isEmpty }.map(text.string)
  }

  @Test func recursiveCutsLikeLangChain() throws {
    let cases = try Self.cases(.recursive)
    #expect(cases.count > 25)
    for golden in cases {
      // A limit that is never reached changes nothing.
      for limit in [nil, TokenLimit.words(maximum: 1_000_000)] {
        let chunks = golden.settings.chunker(limit: limit).chunks(of: golden.text)
        #expect(chunks.map(golden.text.string) == golden.chunks)
      }
    }
  }

  /// LangChain repeats the end of a chunk as a chunk of its own where only white space follows.
  @Test func repeatedEndsAreKeptUnderALimit() {
    let text = ScalarText("\n a\n\nbb\n\n")
    var settings = ChunkingSettings()
    settings.strategy = .recursive
    (settings.size, settings.overlap) = (8, 4)
    let chunks = settings.chunker(limit: .words(maximum: 9)).chunks(of: text)
    #expect(chunks.map(text.string) == ["a\n\nbb", "bb"])
  }

  @Test func codeCutsLikeLangChain() throws {
    let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/retrieval/code.json")
    let golden = try JSONValue(parsing: [UInt8](Data(contentsOf: fixture)))
    var languages: Set<String> = []
    for golden in try #require(golden["cases"]?.array) {
      let language = try #require(golden["language"]?.string)
      languages.insert(language)
      var settings = ChunkingSettings()
      settings.strategy = .code
      settings.size = try #require(golden["size"]?.int)
      settings.overlap = try #require(golden["overlap"]?.int)
      let text = ScalarText(try #require(golden["text"]?.string))
      let chunks = settings.chunker(limit: nil, format: language).chunks(of: text)
      #expect(
        chunks.map(text.string) == golden["chunks"]?.array?.compactMap(\.string), "\(language)")
    }
    #expect(languages.sorted() == CodeSeparators.languages)
  }
}

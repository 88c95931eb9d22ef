// Streams: what comes out id by id, put together, is the decoded whole, and nothing comes out that isn't
// certain.

import JSON
import Testing

@testable import Tokenizers

@Suite struct StreamingDecoderTests {
  private func stream(_ tokenizer: Tokenizer, _ ids: [Int32]) -> [String] {
    var decoder = tokenizer.streamingDecoder(skipSpecialTokens: false)
    return ids.map { decoder.append($0) } + [decoder.finish()]
  }

  @Test(arguments: GoldenTests.kinds) func piecesMakeTheWhole(kind: String) throws {
    let golden = try Fixtures.json("\(kind)/golden.json")
    let tokenizer = try Tokenizer(directory: Fixtures.path(kind))
    let sequences = try #require(golden["randomIDs"]?.array).compactMap(\.ids)
    #expect(sequences.count == 300)
    for ids in sequences {
      let pieces = stream(tokenizer, ids)
      #expect(pieces.joined() == tokenizer.decode(ids, skipSpecialTokens: false))
      // A prefix's text is never taken back: each prefix of ids gives a prefix of the text.
      var decoder = tokenizer.streamingDecoder(skipSpecialTokens: false)
      let half = ids.prefix(ids.count / 2).map { decoder.append($0) }.joined()
      #expect(Array(pieces.joined().utf8).starts(with: half.utf8))
    }
  }

  @Test func byteLevelHoldsBackIncompleteCharacters() throws {
    let tokenizer = try Tokenizer(directory: Fixtures.path("gpt2"))
    let ids = "🏴".utf8.compactMap { byte in
      tokenizer.id(of: String(decoding: ByteAlphabet.character(of: byte), as: UTF8.self))
    }
    #expect(ids.count == 4)
    #expect(stream(tokenizer, ids) == ["", "", "", "🏴", ""])
    #expect(stream(tokenizer, Array(ids.prefix(3))) == ["", "", "", "\u{FFFD}"])
    #expect(stream(tokenizer, [ids[0], ids[0]]) == ["", "\u{FFFD}", "\u{FFFD}"])
    #expect(ids.flatMap { tokenizer.bytes(of: $0) } == Array("🏴".utf8))
  }

  @Test func byteFallbackWaitsForTheEndOfARun() throws {
    let tokenizer = try Tokenizer(directory: Fixtures.path("llama2"))
    let e4 = try #require(tokenizer.id(of: "<0xE4>"))
    let bd = try #require(tokenizer.id(of: "<0xBD>"))
    let a0 = try #require(tokenizer.id(of: "<0xA0>"))
    let letter = try #require(tokenizer.id(of: "▁a"))
    #expect(
      stream(tokenizer, [letter, e4, bd, a0, letter]) == ["a", "", "", "", "\u{4F60} a", ""])
    #expect(stream(tokenizer, [e4, bd, letter]) == ["", "", "\u{FFFD}\u{FFFD} a", ""])
    #expect(stream(tokenizer, [e4]) == ["", "\u{FFFD}"])
    #expect(tokenizer.bytes(of: e4) == [0xE4])
    #expect(tokenizer.bytes(of: letter) == Array(" a".utf8))
  }

  @Test func llamaLosesOneLeadingBlankOnly() throws {
    let tokenizer = try Tokenizer(directory: Fixtures.path("llama2"))
    let letter = try #require(tokenizer.id(of: "▁a"))
    let blank = try #require(tokenizer.id(of: "▁"))
    #expect(stream(tokenizer, [letter, letter]) == ["a", " a", ""])
    #expect(stream(tokenizer, [blank, blank, letter]).joined() == "  a")
    #expect(stream(tokenizer, []) == [""])
  }

  @Test func wordPieceTidiesUp() throws {
    let tokenizer = try Tokenizer(directory: Fixtures.path("bert-uncased"))
    let ids = tokenizer.encode("tested, walked.", addSpecialTokens: true)
    #expect(stream(tokenizer, ids).joined() == "[CLS] tested, walked. [SEP]")
    #expect(tokenizer.decode(ids) == "tested, walked.")
  }

  @Test func unknownIDsAreSkipped() throws {
    let tokenizer = try Tokenizer(directory: Fixtures.path("gpt2"))
    for id: Int32 in [-1, .min, .max, 1_000_000] {
      #expect(tokenizer.decode([id]) == "")
      #expect(tokenizer.token(id) == nil)
      #expect(tokenizer.bytes(of: id) == [])
    }
  }

  @Test func illFormedBytesBecomeReplacementsAsInRust() {
    let cases: [([UInt8], String)] = [
      ([0x61, 0xFF, 0x62], "a\u{FFFD}b"), ([0xE0, 0x80, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
      ([0xF0, 0x9F, 0x41], "\u{FFFD}A"), ([0xED, 0xA0, 0x80], "\u{FFFD}\u{FFFD}\u{FFFD}"),
      ([0xF4, 0x90], "\u{FFFD}\u{FFFD}"), ([0xC3], "\u{FFFD}"), ([0xC3, 0xA9], "é"),
      ([0xF0, 0x9F, 0x98, 0x80, 0x80], "😀\u{FFFD}"),
    ]
    for (bytes, expected) in cases {
      var stream = LossyUTF8Stream()
      var output: [UInt8] = []
      stream.append(bytes, to: &output)
      stream.finish(into: &output)
      #expect(output == Array(expected.utf8), "\(bytes)")
    }
  }
}

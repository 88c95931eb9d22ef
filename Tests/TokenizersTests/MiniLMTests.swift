// The real all-MiniLM-L6-v2 tokenizer, where it has been fetched (`make models`), against ids by Hugging
// Face `tokenizers`: shared strings and a few sentences.

import FoundationEssentials
import JSON
import Testing

@testable import Tokenizers

@Suite struct MiniLMTests {
  static let directory = Fixtures.root.appending(path: "Models/all-MiniLM-L6-v2").path(
    percentEncoded: false)
  static let isThere = FileManager.default.fileExists(atPath: directory + "/tokenizer.json")

  @Test(.enabled(if: isThere)) func encodesAsTheReferenceDoes() throws {
    let strings = try Fixtures.strings()
    let tokenizer = try Tokenizer(directory: Self.directory)
    let ids = try #require(try Fixtures.json("minilm-ids.json").array).map {
      try #require($0.ids)
    }
    expectEqual(
      strings.indices.map {
        (strings[$0], tokenizer.encode(strings[$0], addSpecialTokens: true), ids[$0])
      }, "MiniLM")
    #expect(tokenizer.encode("", addSpecialTokens: true) == [101, 102])
    #expect(tokenizer.count == 30522)
    #expect(tokenizer.specialTokens["cls_token"] == "[CLS]")
  }
}

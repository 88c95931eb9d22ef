// Bytes to documents: formats, encodings, and what is refused.

import JSON
import Testing

@testable import Retrieval

@Suite struct ExtractorTests {
  private func documents(_ text: String, _ type: String) throws -> [DocumentInput] {
    try Extractors.documents(
      from: DocumentSource(bytes: Array(text.utf8), id: "given", metadata: ["source": "here"]),
      contentType: type)
  }

  @Test(arguments: [
    "text/plain", "text/markdown; charset=utf-8", "TEXT/PLAIN;charset=\"UTF-8\"",
    "text/plain ; x=y",
  ]) func textIsKept(type: String) throws {
    let found = try documents("# Title\r\n\r\n text\u{0} é ", type)
    #expect(
      found == [
        DocumentInput(
          id: "given", text: "# Title\r\n\r\n text\u{0} é ", metadata: ["source": "here"])
      ])
  }

  @Test func jsonDocuments() throws {
    let one = try documents(
      #"{"id":"a","text":"t","metadata":{"n":1,"source":"own"}}"#, "application/json")
    #expect(one == [DocumentInput(id: "a", text: "t", metadata: ["source": "own", "n": 1])])
    let anonymous = try documents(#"{"text":"t"}"#, "application/json")
    #expect(anonymous[0].id == "given")
    let several = try documents(
      #"[{"text":"a"},{"text":"b","id":"2","metadata":null}]"#, "application/json")
    #expect(several.map(\.id) == [nil, "2"])
    #expect(try documents("[]", "application/json").isEmpty)
  }

  @Test(arguments: [
    (#"[{"text":"a"},{"id":"x"}]"#, "documents[1]"), (#"{"text":1}"#, "documents[0]"),
    (#"[3]"#, "documents[0]"), (#"{"text":"a","id":3}"#, "documents[0]"),
    (#"{"text":"a","metadata":[]}"#, "documents[0]"),
    (#"{"text":"a","title":"b"}"#, "documents[0]"),
    (#"{"text":"#, "body"), ("", "body"),
  ]) func badJSON(text: String, field: String) throws {
    let error = try #require(refusal { _ = try documents(text, "application/json") })
    #expect(error.field == field)
  }

  @Test func otherFormatsAreRefusedByName() throws {
    for type in ["application/pdf", "", "text/plain; charset=latin-1"] {
      let error = try #require(refusal { _ = try documents("x", type) })
      #expect(error.code == "unsupported_content_type")
    }
    #expect(try Extractors.documents(from: DocumentSource(bytes: []), fileName: "a/b.pdf") == nil)
    #expect(try Extractors.documents(from: DocumentSource(bytes: []), fileName: "a.md/b") == nil)
    let read = try Extractors.documents(
      from: DocumentSource(bytes: [0x61]), fileName: "/x/README.MD")
    #expect(read == [DocumentInput(text: "a")])
  }

  @Test func byteOrderMarksAreStripped() throws {
    #expect(try UTF8Text.decode([0xEF, 0xBB, 0xBF, 0x61]) == "a")
    let json = [0xEF, 0xBB, 0xBF] + Array(#"{"text":"t"}"#.utf8)
    #expect(
      try Extractors.documents(from: DocumentSource(bytes: json), contentType: "application/json")
        == [DocumentInput(text: "t")])
  }

  @Test(
    arguments: [
      ([0x61, 0xFF, 0x62], 1), ([0xC3], 0), ([0x61, 0xE4, 0xBD], 1), ([0xED, 0xA0, 0x80], 0),
      ([0xEF, 0xBB, 0xBF, 0x61, 0x80], 4), ([0xC0, 0xAF], 0),
    ] as [([UInt8], Int)]) func invalidBytesAreNamed(bytes: [UInt8], offset: Int) throws
  {
    let error = try #require(refusal { _ = try UTF8Text.decode(bytes) })
    #expect("\(error)".contains("byte offset \(offset) "))
  }

  @Test func otherEncodingsAreNamed() throws {
    let error = try #require(refusal { _ = try UTF8Text.decode([0xFF, 0xFE, 0x61, 0x00]) })
    #expect("\(error)".contains("UTF-16"))
  }
}

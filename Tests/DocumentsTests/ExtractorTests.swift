// Bytes to documents: formats, encodings, and what is refused.

import JSON
import Testing

@testable import Documents

@Suite struct ExtractorTests {
  private func documents(_ text: String, _ type: String, _ fields: FieldMap? = nil) throws
    -> [DocumentInput]
  {
    try Extractors.documents(
      from: DocumentSource(
        bytes: Array(text.utf8), contentType: type, id: "given", metadata: ["source": "here"],
        fields: fields))
  }

  @Test(arguments: [
    "text/plain", "text/plain; charset=utf-8", "TEXT/PLAIN;charset=\"UTF-8\"",
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

  @Test(arguments: [
    ("text/javascript; charset=utf-8", "javascript"), ("application/xml", "xml"),
    ("text/css", "css"), ("text/x-swift", "swift"), ("application/yaml", nil),
  ]) func codeIsKnownByItsRegisteredType(type: String, format: String?) throws {
    let found = try documents("x: 1", type)
    #expect(found.map(\.text) == ["x: 1"] && found[0].metadata["format"]?.string == format)
  }

  @Test func encodingsHaveNames() {
    #expect(
      ["big5", "GBK", "utf-8", "windows-1252", "Shift_JIS"].allSatisfy(TextDecoding.isEncoding))
    #expect(!["bigg5", "", "utf-8//IGNORE"].contains(where: TextDecoding.isEncoding))
  }

  @Test func otherFormatsAreRefusedByName() throws {
    for type in ["application/x-unheard-of", "image/png", ""] {
      let error = try #require(refusal { _ = try documents("x", type) })
      #expect(error.code == "unsupported_content_type")
    }
    let binary = DocumentSource(bytes: [0x00, 0x01, 0xFF], fileName: "a/b.bin")
    #expect(
      refusal { _ = try Extractors.documents(from: binary) }?.code == "unsupported_content_type")
    #expect(!Extractors.reads(fileName: "a/b.bin") && !Extractors.reads(fileName: "a.md/b"))
    let read = try Extractors.documents(
      from: DocumentSource(bytes: [0x61], fileName: "/x/README.MD"))
    #expect(read == [DocumentInput(text: "a", metadata: ["format": "markdown"])])
  }

  /// What neither a type nor a name says, the bytes do.
  @Test(arguments: [
    ("<!DOCTYPE html><p>Hi</p>", "html"), ("  <HTML><p>Hi", "html"), ("Hi", nil),
  ]) func contentsTellTheFormat(text: String, format: String?) throws {
    for type in [nil, "application/octet-stream"] {
      let source = DocumentSource(bytes: Array(text.utf8), contentType: type)
      let found = try Extractors.documents(from: source)
      #expect(found.map(\.text) == ["Hi"])
      #expect(found[0].metadata["format"]?.string == format)
    }
  }

  @Test func sourceCodeKnowsItsLanguage() throws {
    for (name, language) in [("a.py", "python"), ("x/b.SWIFT", "swift"), ("c.h", "c")] {
      let found = try Extractors.documents(
        from: DocumentSource(bytes: Array("x = 1\n".utf8), fileName: name))
      #expect(found[0].text == "x = 1\n")
      #expect(found[0].metadata["format"]?.string == language)
    }
  }

  @Test func byteOrderMarksAreStripped() throws {
    let json = [0xEF, 0xBB, 0xBF] + Array(#"{"text":"t"}"#.utf8)
    #expect(
      try Extractors.documents(from: DocumentSource(bytes: json, contentType: "application/json"))
        == [DocumentInput(text: "t")])
  }

  // MARK: Records

  @Test func jsonOfAnyShapeGoesThroughAFieldMap() throws {
    let text = #"[{"n":{"t":"one"},"y":1},{"n":{"t":"two"},"y":null,"z":[1]}]"#
    let found = try documents(text, "application/json", FieldMap(text: ["n.t"], id: nil))
    #expect(found.map(\.text) == ["one", "two"])
    #expect(found.map(\.id) == ["given#1", "given#2"])
    #expect(found[0].metadata["y"] == 1 && found[1].metadata["y"] == nil)
    let chosen = try documents(
      text, "application/json", FieldMap(text: ["n.t", "y"], metadata: [], id: "n.t"))
    #expect(chosen.map(\.text) == ["n.t: one\ny: 1", "n.t: two"])
    #expect(chosen.map(\.id) == ["one", "two"])
    #expect(chosen[1].metadata == ["source": "here"])
    let error = try #require(
      refusal { _ = try documents(text, "application/json", FieldMap(text: ["m"])) })
    #expect("\(error)".contains("no field \"m\" among n, y"))
  }

  @Test func jsonLines() throws {
    let found = try documents(
      "{\"text\":\"a\",\"id\":\"1\"}\r\n\n{\"text\":\"乙\"}\n", "application/x-ndjson")
    #expect(found.map(\.text) == ["a", "乙"])
    #expect(found.map(\.id) == ["1", nil])
    let error = try #require(
      refusal { _ = try documents("{\"text\":\"a\"}\n{", "application/jsonl") })
    #expect("\(error)".contains("line 2"))
  }

  @Test func tablesWithoutAFieldMapStayWhole() throws {
    let found = try documents("a,b\n1,2\n", "text/csv")
    #expect(found.map(\.text) == ["a,b\n1,2\n"])
    #expect(found[0].metadata["format"] == "csv")
  }

  @Test func rowsBecomeDocuments() throws {
    let table = "k,t,n,c\r\n1,\"a, \"\"b\"\"\r\nc\",2.5,007\r\n2,乙,-3,1.50\r\n"
    let found = try documents(table, "text/csv", FieldMap(text: ["t"], id: "k"))
    #expect(found.map(\.text) == ["a, \"b\"\r\nc", "乙"])
    #expect(found.map(\.id) == ["1", "2"])
    #expect(found[0].metadata["n"] == 2.5 && found[0].metadata["c"] == "007")
    #expect(found[1].metadata["n"] == -3 && found[1].metadata["c"] == "1.50")
    #expect(found[1].metadata["row"] == 2)
    let tabs = try documents("a\tb\n1\t2, 3", "text/tab-separated-values", FieldMap(text: ["b"]))
    #expect(tabs.map(\.text) == ["2, 3"])
  }

  @Test(arguments: [
    ("a,b\n1\n", "line 2: 1 fields"), ("a,b\n1,\"2\n3,4\n", "opened in line 2 is never closed"),
    ("a,b\n1,\"2\"x\n", "line 2: text follows"), ("a,a\n1,2\n", "same name"),
    ("a,c\n1,2\n", "no field \"b\""),
  ]) func badTables(table: String, message: String) throws {
    let error = try #require(
      refusal { _ = try documents(table, "text/csv", FieldMap(text: ["b", "a"])) })
    #expect("\(error)".contains(message), "\(error)")
  }
}

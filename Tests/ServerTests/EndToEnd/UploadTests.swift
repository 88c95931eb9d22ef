// Documents as files: raw bodies of every kind and forms, and how they are refused.

import FoundationEssentials
import HTTP
import HTTPTypes
import JSON
import Testing

@testable import Server

@Suite(.enabled(if: TestServer.hasEmbeddingModel)) struct UploadTests {
  private func file(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: Repository.file("Tests/Fixtures/documents/\(name)")))
  }

  private func form(_ parts: [(head: String, body: [UInt8])]) -> [UInt8] {
    parts.flatMap {
      Array("--b\r\nContent-Disposition: form-data; \($0.head)\r\n\r\n".utf8) + $0.body + [13, 10]
    }
      + Array("--b--\r\n".utf8)
  }

  private let multipart: HTTPFields = [.contentType: "multipart/form-data; boundary=b"]

  @Test func rawFilesAreRecognized() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/files")
    let files = [
      ("handbook.docx", "application/octet-stream", "filename=handbook.docx"),
      ("handbook.odt", "application/octet-stream", "id=odt"),
      ("handbook-gbk.html", "text/html", "id=html&metadata=%7B%22lang%22%3A%22zh%22%7D"),
      ("mixed.tar.gz", "application/gzip", "filename=mixed.tar.gz"),
      ("rows.csv", "text/csv", "id=rows&text_columns=title,body&id_column=id"),
    ]
    for (name, type, query) in files {
      let answer = try await server.send(
        .post, "/collections/files/documents?\(query)", bytes: try file(name),
        headers: [.contentType: type])
      #expect(answer.status == 200, "\(name): \(answer.text)")
    }
    let page = try await server.get("/collections/files/documents/html").json
    #expect(page["metadata"]?["lang"] == "zh")
    #expect(page["metadata"]?["format"] == "html")
    #expect(page["text"]?.string?.contains("超过三天的病假需要医生证明。") ?? false)
    let row = try await server.get("/collections/files/documents/a-2").json
    #expect(row["text"] == "title: 病假\nbody: 员工生病时应通知主管。")
    let member = try await server.get("/collections/files/documents/mixed.tar.gz%2Freadme.md")
    #expect(member.status == 200)
    let found = try await server.post(
      "/retrieve", ["query": "leave days", "collection": "files", "mode": "sparse", "top_k": 1])
    #expect(found.json["results"]?.array?.first?["heading"] == "Annual leave")
  }

  /// `curl -T report.docx URL`: no content type, no name.
  @Test func bodiesWithoutATypeAreRecognizedByTheirBytes() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/typeless")
    func store(_ bytes: [UInt8], _ id: String) async throws -> Answer {
      try await server.send(
        .put, "/collections/typeless/documents/\(id)", bytes: bytes, headers: [:])
    }
    #expect(try await store(try file("handbook.docx"), "docx").status == 200)
    #expect(try await store(Array(#"{"text": "JSON"}"#.utf8), "json").status == 200)
    #expect(try await store(Array("neither".utf8), "text").errorMessage.contains("JSON"))
  }

  @Test func formsCarrySeveralFiles() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/forms")
    let body = form([
      ("name=\"metadata\"", Array(#"{"team":"people"}"#.utf8)),
      ("name=\"file\"; filename=\"a.docx\"", try file("handbook.docx")),
      (
        "name=\"file\"; filename=\"笔记.md\"\r\nContent-Type: application/octet-stream",
        Array("# 笔记".utf8)
      ),
    ])
    let answer = try await server.send(
      .post, "/collections/forms/documents", bytes: body, headers: multipart)
    #expect(answer.json["documents"]?.int == 2, "\(answer.text)")
    let list = try await server.get("/collections/forms/documents").json["documents"]?.array ?? []
    #expect(list.compactMap { $0["id"]?.string } == ["a.docx", "笔记.md"])
    #expect(list.allSatisfy { $0["metadata"]?["team"] == "people" })
  }

  @Test func formsBecomeJobs() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/form-jobs")
    func upload(_ query: String, wait: String) async throws -> Answer {
      try await server.send(
        .post, "/collections/form-jobs/documents\(query)",
        bytes: form([
          ("name=wait", Array(wait.utf8)), ("name=file; filename=a.md", Array("tea".utf8)),
        ]), headers: multipart)
    }
    let answer = try await upload("", wait: "false")
    #expect(answer.status == 202, "\(answer.text)")
    let id = try #require(answer.json["id"]?.string)
    _ = try await server.get("/jobs/\(id)/events")
    #expect(try await server.get("/collections/form-jobs/documents/a.md").json["text"] == "tea")
    // As with the others, a field goes before the query's parameter.
    #expect(try await upload("?wait=false", wait: "true").status == 200)
    let odd = try await upload("", wait: "perhaps")
    #expect(odd.status == 400 && odd.json["error"]?["param"] == "wait", "\(odd.text)")
  }

  /// What was misspelt would silently not count.
  @Test(arguments: [
    (HTTPRequest.Method.post, "?text_column=title", "text_column"),
    (.post, "?metadata_columns=a", "metadata_columns"),
    (.post, "?id_column=a", "id_column"), (.get, "?limt=3", "limt"),
  ]) func parametersOfOtherNamesAreRefused(
    method: HTTPRequest.Method, query: String, param: String
  ) async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.send(
      method, "/collections/default/documents\(query)",
      bytes: method == .get ? nil : Array("title\na\n".utf8),
      headers: [.contentType: "text/csv"])
    #expect(
      answer.status == 400 && answer.json["error"]?["param"]?.string == param, "\(answer.text)")
  }

  @Test func fieldsOfOtherNamesAreRefused() async throws {
    let server = try await TestServer.shared.value
    let answer = try await server.send(
      .post, "/collections/default/documents",
      bytes: form([
        ("name=\"metdata\"", Array("{}".utf8)),
        ("name=\"file\"; filename=\"a.md\"", Array("a".utf8)),
      ]), headers: multipart)
    #expect(answer.status == 400 && answer.json["error"]?["param"] == "metdata", "\(answer.text)")
    let filter = #"{"filter":{"type":"exists","key":"none"},"source":"rows"}"#
    for (method, path, body, param) in [
      (HTTPRequest.Method.delete, "", filter, "source"), (.delete, "", #"{"id":["a"]}"#, "id"),
      (.patch, "/a", #"{"metadata":{},"text":"new"}"#, "text"),
    ] {
      let answer = try await server.send(
        method, "/collections/default/documents" + path, bytes: Array(body.utf8),
        headers: [.contentType: "application/json"])
      #expect(answer.status == 400 && answer.json["error"]?["param"]?.string == param, "\(body)")
    }
  }

  @Test func aPathNamesOneDocument() async throws {
    let server = try await TestServer.shared.value
    _ = try await server.send(.put, "/collections/one")
    let path = "/collections/one/documents/a"
    #expect(try await server.send(.put, path, ["text": "tea"]).status == 200)
    #expect(try await server.send(.put, path, ["id": "a", "text": "茶"]).status == 200)
    for body in [
      ["id": "b", "text": "x"], [["text": "x"], ["text": "y"]], [],
    ] as [JSONValue] {
      let answer = try await server.send(.put, path, body)
      #expect(answer.status == 400 && answer.json["error"]?["param"] == "id", "\(answer.text)")
    }
    let file = ("name=file; filename=c.txt", Array("x".utf8))
    for answer in [
      try await server.send(.put, path + "?id=b", ["text": "x"]),
      try await server.send(
        .put, path, bytes: form([("name=id", Array("b".utf8)), file]), headers: multipart),
    ] {
      #expect(answer.status == 400 && answer.json["error"]?["param"] == "id", "\(answer.text)")
    }
    #expect(try await server.get(path).json["text"] == "茶")
    #expect(try await server.send(.put, path + "?id=a", ["text": "茶"]).status == 200)
    #expect(try await server.get("/collections/one").json["documents"]?.int == 1)
  }

  /// An upload that is all there is of a source now removes what that held before.
  @Test(arguments: ["true", "false"]) func sourcesAreReplaced(wait: String) async throws {
    let server = try await TestServer.shared.value
    let path = "/collections/sources-\(wait)/documents"
    _ = try await server.send(.put, "/collections/sources-\(wait)")
    func upload(_ lines: String, _ query: String) async throws -> JSONValue {
      let answer = try await server.send(
        .post, "\(path)?\(query)&wait=\(wait)", bytes: Array(lines.utf8),
        headers: [.contentType: "application/jsonl"])
      guard let id = answer.json["id"]?.string else { return answer.json }
      _ = try await server.get("/jobs/\(id)/events")
      return try await server.get("/jobs/\(id)").json["result"] ?? .null
    }
    func ids(_ query: String = "") async throws -> [String] {
      try await server.get(path + query).json["documents"]?.array?.compactMap { $0["id"]?.string }
        ?? []
    }
    func line(_ id: String) -> String { #"{"id":"\#(id)","text":"text of \#(id)"}"# + "\n" }
    _ = try await upload(line("other"), "id=x")
    _ = try await upload(line("a") + line("b") + line("c"), "source=rows")
    #expect(try await ids() == ["other", "a", "b", "c"])
    let report = try await upload(line("b") + line("d"), "source=rows")
    #expect(report["removed"] == 2 && report["unchanged"] == 1, "\(report)")
    #expect(try await ids() == ["other", "b", "d"])
    #expect(try await ids("?source=rows") == ["b", "d"])
    // Without a source, nothing is known to be gone.
    _ = try await upload(line("e"), "id=x")
    let deleted = try await server.send(
      .delete, path, bytes: Array(#"{"ids":["other","none"]}"#.utf8),
      headers: [.contentType: "application/json"])
    #expect(deleted.json["deleted"] == 1)
    #expect(try await ids() == ["b", "d", "e"])
    // Only while it is still of the source; and names that can't be are of no document.
    let kept = try await server.send(
      .delete, path, bytes: Array(#"{"ids":["e","b\u0000"],"source":"rows"}"#.utf8),
      headers: [.contentType: "application/json"])
    #expect(kept.json["deleted"] == 0)
    let single = try await server.send(
      .put, "\(path)/b?source=rows", bytes: Array(#"{"text":"b"}"#.utf8),
      headers: [.contentType: "application/json"])
    #expect(single.status == 400 && single.json["error"]?["param"] == "source")
    let odd = try await server.post(path, ["id": "f", "text": "f", "source": "rows\u{0}x"])
    #expect(odd.status == 400)
    #expect(try await ids() == ["b", "d", "e"])
    for body in [#"{"ids":[1]}"#, #"{"ids":"b"}"#, #"{}"#, #"{"ids":["b"],"source":1}"#] {
      let refused = try await server.send(
        .delete, path, bytes: Array(body.utf8), headers: [.contentType: "application/json"])
      #expect(refused.status == 400, "\(body)")
    }
  }

  @Test func refusals() async throws {
    let server = try await TestServer.shared.value
    func status(_ bytes: [UInt8], _ type: String) async throws -> Int {
      try await server.send(
        .post, "/collections/default/documents", bytes: bytes, headers: [.contentType: type]
      ).status
    }
    #expect(try await status([1, 0, 255], "application/octet-stream") == 415)
    #expect(try await status(Array("x".utf8), "image/png") == 415)
    #expect(try await status(try file("evil.tar"), "application/x-tar") == 400)
    #expect(try await status(Array("PK".utf8), "application/zip") == 400)
    #expect(try await status([0xFF, 0xFF], "text/plain") == 400)
    #expect(try await status(Array("--b--".utf8), "multipart/form-data") == 400)
    let text = Array("x".utf8)
    let two = form([
      ("name=id", text), ("name=a; filename=a.txt", text), ("name=a; filename=b.txt", text),
    ])
    #expect(try await status(two, "multipart/form-data; boundary=b") == 400)
  }
}

// Real files of each format (made by scripts/fixtures/documents.py) through their extractors.

import FoundationEssentials
import JSON
import Testing

@testable import Documents

@Suite struct DocumentFileTests {
  static func bytes(_ name: String) throws -> [UInt8] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/documents/\(name)")
    return [UInt8](try Data(contentsOf: file))
  }

  private func read(_ name: String, _ fields: FieldMap? = nil) throws -> [DocumentInput] {
    try Extractors.documents(
      from: DocumentSource(bytes: Self.bytes(name), fileName: name, id: name, fields: fields))
  }

  private static let chapters = """
    # Annual leave

    Every employee has 25 days of annual leave. Unused days expire on 31 March.

    Requests go to the team lead two weeks ahead.

    # 病假

    员工生病时应在当天上午九点前通知主管。

    超过三天的病假需要医生证明。
    """

  private static let listAndTable = """


    - Fill in the form
    - 发送给主管

    | Grade | Days |
    | Junior | 25 |
    | 高级 | 30 |
    """

  @Test(arguments: ["handbook.html", "handbook-gbk.html"]) func html(name: String) throws {
    let found = try read(name)
    let rest = """


      ```sh
      echo "one  two"
        exit 0
      ```

      Fish & chips <b> café 中文
      """
    #expect(found.map(\.text) == [Self.chapters + Self.listAndTable + rest])
    #expect(found[0].metadata["title"] == "Leave handbook 休假手册")
    #expect(found[0].metadata["format"] == "html")
  }

  @Test(arguments: ["handbook.docx", "handbook.odt"]) func officeDocuments(name: String) throws {
    let found = try read(name)
    #expect(found.map(\.text) == [Self.chapters + Self.listAndTable])
    #expect(found[0].metadata["title"] == "Leave handbook 休假手册")
    // Without a name, the contents tell.
    let unnamed = try Extractors.documents(from: DocumentSource(bytes: Self.bytes(name)))
    #expect(unnamed[0].metadata["format"] == found[0].metadata["format"])
  }

  /// The chapters come in the order of reading, which is not that of the files.
  @Test func epub() throws {
    let found = try read("handbook.epub")
    let first = try #require(Self.chapters.firstRange(of: "\n\n# 病假"))
    let expected =
      Self.chapters[first.lowerBound...].dropFirst(2) + "\n\n" + Self.chapters[..<first.lowerBound]
    #expect(found.map(\.text) == [String(expected)])
    #expect(found[0].metadata["title"] == "Leave handbook 休假手册")
    #expect(found[0].metadata["author"] == "Martlet")
  }

  @Test(.enabled(if: ExternalTool.find("pdftotext") != nil)) func pdf() throws {
    let found = try read("handbook.pdf")
    let pages = found[0].text.split(separator: "\u{0C}", omittingEmptySubsequences: false)
    #expect(pages.count == 2)
    #expect(pages[0].contains("Unused days expire on 31 March."))
    #expect(pages[1].contains("超过三天的病假需要医生证明。"))
    let blank = try #require(refusal { _ = try read("blank.pdf") })
    #expect("\(blank)".contains("holds no text"))
    let locked = try #require(refusal { _ = try read("locked.pdf") })
    #expect("\(locked)".contains("locked by a password"))
    let broken = DocumentSource(bytes: Array("%PDF-1.4 and no more".utf8))
    #expect(refusal { _ = try Extractors.documents(from: broken) }?.code == "invalid_request")
  }

  @Test func tables() throws {
    for name in ["rows.csv", "rows-gb18030.csv"] {
      let rows = try read(name, FieldMap(text: ["body"], metadata: ["title", "year"], id: "id"))
      #expect(rows.map(\.id) == ["a-1", "a-2"])
      #expect(rows[0].text == "Every employee has 25 days.\r\nUnused days \"expire\".")
      #expect(rows[1].text == "员工生病时应通知主管。")
      #expect(rows.map { $0.metadata["year"] } == [2024, "007"])
      #expect(rows[0].metadata["title"] == "Annual, paid")
    }
    let tabs = try read("rows.tsv", FieldMap(text: ["body"]))
    #expect(tabs.map(\.text) == ["a, b", "中文"])
    let lines = try read(
      "rows.jsonl", FieldMap(text: ["content.text"], metadata: ["tags"], id: "key"))
    #expect(lines.map(\.id) == ["x", "y"])
    #expect(lines.map(\.text) == ["First line.", "第二行。"])
  }

  // MARK: Databases

  private func rows(_ query: String, _ fields: FieldMap) throws -> [DocumentInput] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/documents/rows.sqlite").path
    return try DatabaseRows.documents(path: path, query: query, fields: fields, id: "db")
  }

  @Test func rowsOfDatabases() throws {
    let found = try rows(
      "SELECT * FROM notes ORDER BY number", FieldMap(text: ["title", "body"]))
    #expect(found.map(\.id) == ["db#1", "db#2"])
    #expect(found[1].text == "title: 病假\nbody: 员工生病时应通知主管。")
    #expect(found[0].metadata == ["number": 1, "score": 0.5])
    #expect(found[1].metadata == ["number": 2])
    let named = try rows("SELECT body, number FROM notes", FieldMap(text: ["body"], id: "number"))
    #expect(named.map(\.id) == ["1", "2"])
  }

  @Test(arguments: [
    "DELETE FROM notes", "SELECT 1; SELECT 2", "SELECT * FROM nothing", "SELEC", "",
    "CREATE TABLE x (y)", "SELECT title FROM notes",
  ]) func queriesThatOnlyReadAreRun(query: String) {
    #expect(refusal { _ = try rows(query, FieldMap(text: ["body"])) } != nil)
  }

  @Test func databasesMustBeThere() {
    let error = refusal {
      _ = try DatabaseRows.documents(
        path: "/nonexistent/a.sqlite", query: "SELECT 1", fields: FieldMap(text: ["a"]), id: "a")
    }
    #expect(error?.code == "invalid_request")
  }

  // MARK: Archives

  @Test func membersOfArchives() throws {
    let zip = try read("mixed.zip")
    #expect(
      zip.map(\.id) == [
        "mixed.zip/readme.md", "mixed.zip/folder/page.html",
        "mixed.zip/inner.zip/deep/notes.txt",
      ])
    #expect(zip[1].text == "# Page\n\nA page in a zip archive.")
    #expect(zip[2].text.hasSuffix("深处的笔记。"))
    #expect(zip[2].metadata["member"] == "deep/notes.txt")
    for name in ["mixed.tar", "mixed.tar.gz"] {
      let tar = try read(name)
      #expect(tar.count == 2)
      #expect(tar[0].id == "\(name)/readme.md")
      #expect(tar[1].id == "\(name)/目录/" + String(repeating: "长", count: 60) + ".txt")
      #expect(tar[1].text == "长文件名。")
    }
    #expect(
      try read("gnu.tar")[0].id == "gnu.tar/long/" + String(repeating: "name", count: 40) + ".txt")
    #expect(try read("gbk-names.zip")[0].id == "gbk-names.zip/报告说明.txt")
  }

  @Test func namesThatLeadOutAreRefused() throws {
    let error = try #require(refusal { _ = try read("evil.tar") })
    #expect("\(error)".contains("leads out of the archive"))
  }

  @Test(arguments: ["bomb.zip", "lying-bomb.zip"]) func bombsAreRefused(name: String) throws {
    let source = DocumentSource(bytes: try Self.bytes(name), fileName: name)
    // By how much it swells, and by all that may come out of one source.
    for byteCount in [ExtractionLimits().byteCount, 1 << 20, 1000] {
      var limits = ExtractionLimits()
      limits.byteCount = byteCount
      let error = try #require(
        refusal { _ = try Extractors.documents(from: source, limits: limits) })
      #expect(error.code == "document_too_large")
    }
  }

  @Test func depthAndNumberAreLimited() throws {
    let source = DocumentSource(bytes: try Self.bytes("mixed.zip"), fileName: "mixed.zip")
    var limits = ExtractionLimits()
    limits.depth = 1
    var error = try #require(refusal { _ = try Extractors.documents(from: source, limits: limits) })
    #expect("\(error)".contains("depth of 1"))
    limits = ExtractionLimits()
    limits.memberCount = 2
    error = try #require(refusal { _ = try Extractors.documents(from: source, limits: limits) })
    #expect("\(error)".contains("more than 2 files"))
  }

  // MARK: Other programs

  private func pdf(with script: String, _ change: (inout ToolLimits) -> Void = { _ in }) throws
    -> DocumentError?
  {
    let tool = FileManager.default.temporaryDirectory
      .appendingPathComponent("martlet-tool-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: tool) }
    try Data("#!/bin/sh\n\(script)\n".utf8).write(to: tool)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: tool.path)
    var limits = ExtractionLimits()
    limits.tool.path = tool.path
    change(&limits.tool)
    let source = DocumentSource(bytes: try Self.bytes("handbook.pdf"), fileName: "a.pdf")
    return refusal { _ = try Extractors.documents(from: source, limits: limits) }
  }

  @Test func aToolThatIsMissingIsNamed() throws {
    var limits = ExtractionLimits()
    limits.tool.path = "/nonexistent/pdftotext"
    let source = DocumentSource(bytes: try Self.bytes("handbook.pdf"), fileName: "a.pdf")
    let error = try #require(refusal { _ = try Extractors.documents(from: source, limits: limits) })
    #expect(error.code == "format_unavailable")
    #expect("\(error)".contains("pdftotext"))
  }

  @Test func toolsAreHeldToTheirLimits() throws {
    let slow = try pdf(with: "exec sleep 30") { $0.seconds = 1 }
    #expect(slow.map { "\($0)" }?.contains("within 1 seconds") ?? false)
    let loud = try pdf(with: "exec cat /dev/zero") { $0.outputByteCount = 100_000 }
    #expect(loud?.code == "document_too_large")
    // 1 GiB of memory asked for, 64 MiB allowed.
    let greedy = try pdf(with: "exec awk 'BEGIN { s = sprintf(\"%1073741824s\", \"\") }'") {
      $0.memoryByteCount = 64 << 20
    }
    #expect(greedy.map { "\($0)" }?.contains("status") ?? false)
    let broken = try pdf(with: "echo 'Syntax Error: no trailer' >&2; exit 1")
    #expect(broken.map { "\($0)" }?.contains("(status 1): Syntax Error: no trailer") ?? false)
    // The whole input arrives, and all of the output.
    #expect(try pdf(with: "cat > /dev/null; yes text | head -c 200000") == nil)
  }
}

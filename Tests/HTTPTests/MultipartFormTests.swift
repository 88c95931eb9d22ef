// Forms as curl and browsers send them, and what is refused.

import Fuzzing
import Testing

@testable import HTTP

@Suite struct MultipartFormTests {
  private let type = "multipart/form-data; boundary=\"--x\""

  private func parts(_ body: String) throws -> [(String, String?, String?, String)] {
    try MultipartForm(Array(body.utf8), contentType: type).parts.map {
      ($0.name, $0.fileName, $0.contentType, String(decoding: $0.body, as: UTF8.self))
    }
  }

  @Test func filesAndFields() throws {
    let body =
      "----x\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n7\r\n"
      + "----x  \r\ncontent-disposition: form-data; name=file; filename=\"a %22b\\\" 文.txt\"\r\n"
      + "Content-Type: text/plain\r\n\r\nline\r\n--\r\n----y\r\n\r\n----x--\r\nepilogue"
    for preamble in ["", "preamble\r\n"] {
      let found = try parts(preamble + body)
      try #require(found.count == 2)
      #expect(found[0] == ("id", nil, nil, "7"))
      #expect(found[1] == ("file", "a \"b\" 文.txt", "text/plain", "line\r\n--\r\n----y\r\n"))
    }
  }

  @Test(arguments: [
    "", "----x", "----x\r\n", "no form",
    "----x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nunfinished",
    "----x\r\nContent-Disposition: form-data\r\n\r\nx\r\n----x--",
    "----x\r\nContent-Disposition: form-data; name=a\r\nx\r\n----x--",
  ]) func brokenForms(body: String) {
    #expect(throws: MultipartError.self) { try parts(body) }
  }

  @Test func boundariesAreNeeded() {
    for type in [
      "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; x=y",
    ] {
      #expect(throws: MultipartError.self) { try MultipartForm([], contentType: type) }
    }
  }

  @Test func damagedFormsNeverCrash() {
    var random = SeededGenerator(seed: FuzzRun.seed(9))
    let pieces = [
      "----x", "\r\n", "--", "Content-Disposition: form-data; name=\"a", "\"", ";", "=", "b",
    ]
    for _ in 0..<FuzzRun.rounds(500) {
      let body = (0..<12).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
      _ = try? parts(body)
    }
  }
}

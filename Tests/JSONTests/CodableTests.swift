// JSONReader and JSONWriter: types both ways, and the paths that errors name.

import JSON
import Testing

struct Chat: Codable, Equatable {
  struct Message: Codable, Equatable {
    enum Role: String, Codable, CaseIterable { case system, user }

    var role: Role
    var content: String?
    var extra: JSONValue?
    var members: JSONObject?
  }

  var messages: [Message]
  var count: Int?
}

@Suite struct CodableTests {
  private func decode<T: Decodable>(_ type: T.Type, _ text: String) throws -> T {
    try JSONReader().decode(type, from: Array(text.utf8))
  }

  private func encode(_ value: some Encodable) throws -> String {
    String(decoding: try JSONWriter().encode(value), as: UTF8.self)
  }

  @Test func keepsTheOrderOfMembersInValues() throws {
    let text = """
      {"messages":[{"role":"user","extra":{"b":1,"a":[1.0,"é😀"]},"members":{"z":1,"y":2}}],\
      "count":3}
      """
    #expect(try encode(decode(Chat.self, text)) == text)
  }

  @Test func namesTheChoicesOfAnEnum() {
    #expect {
      try decode(Chat.self, #"{"messages":[{"role":"user"},{"role":"x"}]}"#)
    } throws: {
      "\($0)" == #"messages[1].role: expected one of "system", "user", found "x""#
    }
  }
}

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

/// Payload cases, as Swift synthesizes them.
enum Shape: Codable, Equatable {
  case circle(radius: Double)
  case polygon([Point])
  case nothing
}

struct Point: Codable, Equatable {
  var x: Int
  var y: Int8
}

/// A member that takes several forms, as OpenAI's `stop` and `content` do.
enum Stop: Codable, Equatable {
  case one(String)
  case many([String])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let one = try? container.decode(String.self) {
      self = .one(one)
    } else {
      self = .many(try container.decode([String].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .one(let text): try container.encode(text)
    case .many(let texts): try container.encode(texts)
    }
  }
}

struct Numbers: Codable, Equatable {
  var small: UInt8?
  var signed: Int32?
  var big: UInt64?
  var single: Float?
  var flag: Bool?
  var list: [Int?]?
  var table: [String: [Double]]?
  var shape: Shape?
  var stop: Stop?
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

  @Test func ignoresUnknownMembersAndOmitsNil() throws {
    let chat = try decode(
      Chat.self, #"{"future":{},"messages":[{"role":"system","content":null,"x":1}],"count":null}"#)
    #expect(chat == Chat(messages: [Chat.Message(role: .system)], count: nil))
    #expect(try encode(chat) == #"{"messages":[{"role":"system"}]}"#)
  }

  @Test func readsAndWritesEveryKindOfMember() throws {
    let numbers = Numbers(
      small: 255, signed: -5, big: 7, single: 0.1, flag: false, list: [1, nil, -3],
      table: ["a": [1, 2.5]], shape: .polygon([Point(x: 1, y: -128)]), stop: .many(["a", "b"]))
    let text = try encode(numbers)
    #expect(
      text == """
        {"small":255,"signed":-5,"big":7,"single":0.1,"flag":false,"list":[1,null,-3],\
        "table":{"a":[1.0,2.5]},"shape":{"polygon":{"_0":[{"x":1,"y":-128}]}},"stop":["a","b"]}
        """)
    #expect(try decode(Numbers.self, text) == numbers)
    let others = Numbers(shape: .nothing, stop: .one("x"))
    #expect(try decode(Numbers.self, encode(others)) == others)
  }

  @Test func readsAndWritesValuesThatAreNoObjects() throws {
    #expect(try decode([Int].self, "[1, 2]") == [1, 2])
    #expect(try decode(String.self, "\"a\"") == "a")
    #expect(try decode(Int?.self, "null") == nil)
    #expect(try decode([String: Int].self, #"{"a": 1}"#) == ["a": 1])
    #expect(try decode(JSONObject.self, #"{"b":1,"a":2}"#) == ["b": 1, "a": 2])
    #expect(try encode([1, 2]) == "[1,2]")
    #expect(try encode("a") == "\"a\"")
    #expect(try encode([String: Int]()) == "{}")
    #expect(try encode(JSONValue.array([1, nil])) == "[1,null]")
    #expect(try encode(["b": 1, "a": 2] as JSONObject) == #"{"b":1,"a":2}"#)
  }

  @Test func takesIntegralDoublesAsIntegers() throws {
    #expect(try decode([Int].self, "[3.0, -2e3, 1.0e0]") == [3, -2000, 1])
    #expect(try decode(UInt64.self, "9223372036854775808") == 1 << 63)
  }

  static let mistakes: [(text: String, message: String)] = [
    ("[]", "expected an object, found an array"),
    ("{}", "messages: missing"),
    (#"{"messages":{}}"#, "messages: expected an array, found an object"),
    (#"{"messages":[{"role":"user"},3]}"#, "messages[1]: expected an object, found 3"),
    (#"{"messages":[{}]}"#, "messages[0].role: missing"),
    (#"{"messages":[{"role":null}]}"#, "messages[0].role: expected a string, found null"),
    (
      #"{"messages":[{"role":"user"},{"role":"x"}]}"#,
      #"messages[1].role: expected one of "system", "user", found "x""#
    ),
    (
      #"{"messages":[{"role":"user","content":3}]}"#,
      "messages[0].content: expected a string, found 3"
    ),
    (
      #"{"messages":[{"role":"user","members":[]}]}"#,
      "messages[0].members: expected an object, found an array"
    ),
    (#"{"messages":[],"count":"3"}"#, #"count: expected an integer, found "3""#),
    (#"{"messages":[],"count":1.5}"#, "count: expected an integer, found 1.5"),
    (
      #"{"messages":[],"count":1e300}"#,
      "count: expected an integer between -9223372036854775808 and 9223372036854775807, "
        + "found 1e+300"
    ),
    ("{", "expected a member name in quotes, found the end of the document at line 1, column 2"),
  ]

  @Test(arguments: mistakes) func namesThePlace(_ text: String, _ message: String) {
    #expect { try decode(Chat.self, text) } throws: { "\($0)" == message }
  }

  static let outOfRange: [(text: String, message: String)] = [
    (#"{"small":256}"#, "small: expected an integer between 0 and 255, found 256"),
    (#"{"small":-1}"#, "small: expected an integer between 0 and 255, found -1"),
    (#"{"single":1e300}"#, "single: expected a number within single precision, found 1e+300"),
    (#"{"flag":1}"#, "flag: expected true or false, found 1"),
    (#"{"list":[1,"a"]}"#, #"list[1]: expected an integer, found "a""#),
    (#"{"table":{"a b":[true]}}"#, #"table["a b"][0]: expected a number, found true"#),
    (#"{"stop":[1]}"#, "stop[0]: expected a string, found 1"),
    (#"{"shape":{"polygon":{"_0":[{"x":1}]}}}"#, "shape.polygon._0[0].y: missing"),
  ]

  @Test(arguments: outOfRange) func refusesWhatDoesNotFit(_ text: String, _ message: String) {
    #expect { try decode(Numbers.self, text) } throws: { "\($0)" == message }
  }

  @Test func refusesToWriteWhatJSONHasNot() {
    #expect { try encode(Numbers(single: .infinity)) } throws: {
      "\($0)" == "single: inf cannot be written as JSON"
    }
    #expect { try encode(["a": [1.0, .nan]]) } throws: {
      "\($0)" == "a[1]: nan cannot be written as JSON"
    }
    #expect { try encode(UInt64.max) } throws: {
      "\($0)" == "18446744073709551615 cannot be written as JSON"
    }
  }

  @Test func shortensLongTextsInErrors() {
    let text = String(repeating: "é", count: 1000)
    #expect { try decode(Int.self, "\"\(text)\"") } throws: {
      "\($0)" == "expected an integer, found \"\(String(repeating: "é", count: 40))…\""
    }
  }
}

// JSONValue: access, writing, and that what is written reads back as the same.

import JSON
import Testing

@Suite struct ValueTests {
  static let document: JSONValue = [
    "b": [1, 2.5, nil, true], "a": ["x": "y"], "text": "quote \" backslash \\ control \u{1}\n é東😀",
  ]

  @Test func keepsTheOrderOfMembers() {
    let text = #"""
      {"b":[1,2.5,null,true],"a":{"x":"y"},"text":"quote \" backslash \\ control \u0001\n é東😀"}
      """#
    #expect(Self.document.description == text)
    #expect(Self.document.object?.keys.elements == ["b", "a", "text"])
  }

  @Test func writesPretty() {
    let value: JSONValue = ["a": [1, [:], []], "b": ["c": nil]]
    let text = """
      {
        "a": [
          1,
          {},
          []
        ],
        "b": {
          "c": null
        }
      }
      """
    #expect(String(decoding: value.serialized(pretty: true), as: UTF8.self) == text)
  }

  @Test func readsMembersAndElements() {
    let value = Self.document
    #expect(value["b"]?[0]?.int == 1)
    #expect(value["b"]?[1]?.double == 2.5)
    #expect(value["b"]?[1]?.int == nil)
    #expect(value["b"]?[2]?.isNull == true)
    #expect(value["b"]?[3]?.bool == true)
    #expect(value["b"]?[4] == nil)
    #expect(value["b"]?[-1] == nil)
    #expect(value["a"]?["x"]?.string == "y")
    #expect(value["missing"] == nil)
    #expect(value["b"]?["x"] == nil)
    #expect(value["a"]?[0] == nil)
    #expect(JSONValue.double(3.0).int == 3)
    #expect(JSONValue.double(1e30).int == nil)
    #expect(JSONValue.double(.nan).int == nil)
    #expect(JSONValue.integer(3).double == 3.0)
    #expect(JSONValue.integer(1) != JSONValue.double(1))
  }

  @Test func writesTheShortestDigitsThatReadBack() throws {
    let numbers: [Double] = [
      0.1, -0.0, 1e-7, 1e21, 123456.789, .leastNonzeroMagnitude, .greatestFiniteMagnitude, .pi,
      2.0 / 3, 1e16, 100,
    ]
    for number in numbers {
      let bytes = JSONValue.double(number).serialized()
      let read = try JSONValue(parsing: bytes)
      #expect(read.double?.bitPattern == number.bitPattern)
      guard case .double = read else {
        Issue.record("\(number) came back as \(read)")
        continue
      }
    }
    #expect(JSONValue.double(.infinity).description == "null")
    #expect(JSONValue.double(.nan).description == "null")
  }

  @Test func readsBackWhatItWrites() throws {
    var random = SplitMix(seed: 7)
    for _ in 0..<300 {
      let value = JSONValue.random(&random, depth: 5)
      #expect(try JSONValue(parsing: value.serialized()) == value)
      #expect(try JSONValue(parsing: value.serialized(pretty: true)) == value)
    }
  }
}

/// A small seeded generator, so that failures can be repeated.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

extension JSONValue {
  static func random(_ random: inout SplitMix, depth: Int) -> JSONValue {
    switch Int.random(in: 0..<(depth > 0 ? 8 : 6), using: &random) {
    case 0: return .null
    case 1: return .bool(.random(using: &random))
    case 2:
      return .integer(Int64(bitPattern: random.next()) >> Int64.random(in: 0..<64, using: &random))
    case 3:
      let number = Double(bitPattern: random.next())
      return number.isFinite ? .double(number) : .double(0.5)
    case 4, 5: return .string(randomText(&random))
    case 6:
      let count = Int.random(in: 0..<5, using: &random)
      return .array((0..<count).map { _ in .random(&random, depth: depth - 1) })
    default:
      var members: JSONObject = [:]
      for _ in 0..<Int.random(in: 0..<5, using: &random) {
        members[randomText(&random)] = .random(&random, depth: depth - 1)
      }
      return .object(members)
    }
  }

  private static func randomText(_ random: inout SplitMix) -> String {
    var text = ""
    for _ in 0..<Int.random(in: 0..<12, using: &random) {
      let limit = [0x20, 0x80, 0x800, 0x11_0000].randomElement(using: &random) ?? 0x80
      if let scalar = Unicode.Scalar(UInt32.random(in: 0..<UInt32(limit), using: &random)) {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}

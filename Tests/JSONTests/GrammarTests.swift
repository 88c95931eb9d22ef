// RFC 8259 as a table: what must be read, and as what; what must be refused, and where.

import JSON
import Testing

@Suite struct GrammarTests {
  static let valid: [(text: String, value: JSONValue)] = [
    ("null", nil), ("true", true), ("false", false), (" \t\r\n1\n", 1),
    ("0", 0), ("-0", 0), ("-0.0", -0.0), ("123", 123), ("-9223372036854775808", .integer(.min)),
    ("9223372036854775807", .integer(.max)), ("9223372036854775808", 9223372036854775808.0),
    ("-9223372036854775809", -9223372036854775808.0), ("1e2", 100.0), ("1E+2", 100.0),
    ("1.5e-3", 0.0015), ("0e0", 0.0), ("0.1", 0.1), ("5e-324", .double(.leastNonzeroMagnitude)),
    ("1e-400", 0.0),
    ("1.7976931348623157e308", .double(.greatestFiniteMagnitude)),
    ("123456789012345678901234567890", 1.2345678901234568e29),
    ("0.1000000000000000055511151231257827021181583404541015625", 0.1),
    (#""""#, ""), (#""a""#, "a"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
    (#""\u0041\u00e9\u6771""#, "Aé東"), (#""\ud83d\ude00""#, "😀"), (#""\uD83D\uDE00x""#, "😀x"),
    (#""\u0000""#, "\0"), ("\"é東😀\u{2028}\u{7F}\"", "é東😀\u{2028}\u{7F}"),
    ("\"\u{FFFF}\u{10FFFF}\"", "\u{FFFF}\u{10FFFF}"),
    ("[]", []), ("[ ]", []), ("[1]", [1]), ("[1, \"a\" ,null]", [1, "a", nil]),
    ("[[],{}]", [[], [:]]),
    ("{}", [:]), ("{ }", [:]), (#"{"a":1}"#, ["a": 1]),
    (#"{ "b" : {} , "a" : [ ] }"#, ["b": [:], "a": []]),
    (#"{"":0}"#, ["": 0]), (#"{"a":1,"b":2,"a":3}"#, ["a": 3, "b": 2]),
    (#"{"\u0061":1,"a":2}"#, ["a": 2]),
  ]

  @Test(arguments: valid) func reads(_ text: String, _ value: JSONValue) throws {
    let read = try JSONValue(parsing: text)
    #expect(read == value)
    #expect(read.description == value.description)
  }

  /// The offset is that of the first byte that cannot be.
  static let invalid: [(text: String, offset: Int)] = [
    ("", 0), (" ", 1), ("nul", 3), ("nulL", 3), ("True", 0), ("NaN", 0), ("Infinity", 0),
    ("-Infinity", 1), ("undefined", 0), ("'a'", 0), ("// x", 0), ("/* x */ 1", 0), ("\u{FEFF}1", 0),
    ("01", 0), ("-01", 0), ("00", 0), ("+1", 0), (".5", 0), ("1.", 2), ("1.e3", 2), ("-", 1),
    ("--1", 1), ("1e", 2), ("1e+", 3), ("1e1.5", 3), ("0x1F", 1), ("1_000", 1), ("1e400", 0),
    ("-1e999", 0), ("1 2", 2), ("1,", 1), ("null null", 5), ("[1] x", 4), ("{} {}", 3),
    (#"""#, 0), (#""abc"#, 0), (#""\"#, 1), (#""\x""#, 1), (#""\u12""#, 5), (#""\u12G4""#, 5),
    (#""\ud800""#, 1), (#""\ud800\n""#, 1), (#""\ud800\u0041""#, 1), (#""\udc00""#, 1),
    (#""\ud83d\ud83d""#, 1), (#""\'""#, 1), ("\"a\nb\"", 2), ("\"a\tb\"", 2), ("\"\u{0}\"", 1),
    ("\"\u{1F}\"", 1),
    ("[", 1), ("[1", 2), ("[1,", 3), ("[1,]", 3), ("[,1]", 1), ("[1 2]", 3), ("[1}", 2), ("]", 0),
    ("[1,,2]", 3), ("[\"a\":1]", 4),
    ("{", 1), ("}", 0), ("{1:2}", 1), ("{a:1}", 1), (#"{"a"}"#, 4), (#"{"a":}"#, 5),
    (#"{"a":1,}"#, 7), (#"{"a" 1}"#, 5), (#"{"a":1"#, 6), (#"{"a":1]"#, 6), (#"{,"a":1}"#, 1),
    (#"{"a":1,,"b":2}"#, 7), (#"{'a':1}"#, 1), (#"{"a":1 "b":2}"#, 7),
  ]

  @Test(arguments: invalid) func refuses(_ text: String, _ offset: Int) {
    #expect { try JSONValue(parsing: text) } throws: { ($0 as? JSONError)?.offset == offset }
  }

  /// Ill-formed UTF-8: stray and missing continuations, overlong forms, surrogates, beyond 10FFFF.
  static let illFormed: [[UInt8]] = [
    [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x20], [0xE0, 0x80, 0x80],
    [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xE2, 0x82],
    [0xF0, 0x80, 0x80, 0x80],
    [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF],
    [0xF0, 0x9F, 0x98],
  ]

  @Test(arguments: illFormed) func refusesIllFormedText(_ bytes: [UInt8]) {
    let quote = UInt8(ascii: "\"")
    #expect { try JSONValue(parsing: [quote, 0x61] + bytes + [quote]) } throws: {
      ($0 as? JSONError)?.offset == 2
    }
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
  }

  @Test func placesErrorsInLinesAndColumns() {
    #expect {
      try JSONValue(parsing: "{\n  \"é東\": [1,\n  2 x]\n}")
    } throws: {
      guard let error = $0 as? JSONError else { return false }
      return error.line == 3 && error.column == 5 && error.path.isEmpty
        && error.description == "expected ',' or ']', found 'x' at line 3, column 5"
    }
    #expect { try JSONValue(parsing: "[\"😀é\" x]") } throws: {
      // Columns count scalars, offsets count bytes.
      ($0 as? JSONError).map { ($0.column, $0.offset) == (7, 10) } ?? false
    }
  }

  @Test func limitsDepth() throws {
    func nested(_ depth: Int) -> [UInt8] {
      Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
    }
    _ = try JSONValue(parsing: nested(128))
    #expect(throws: JSONError.self) { try JSONValue(parsing: nested(129)) }
    _ = try JSONValue(parsing: nested(3), maximumDepth: 3)
    #expect(throws: JSONError.self) { try JSONValue(parsing: nested(4), maximumDepth: 3) }
    #expect(throws: JSONError.self) { try JSONValue(parsing: [0x5B], maximumDepth: -1) }
    // No one gets more than the stack can take.
    #expect(throws: JSONError.self) { try JSONValue(parsing: nested(100_000), maximumDepth: .max) }
    let objects = String(repeating: #"{"a":"#, count: 100_000)
    #expect(throws: JSONError.self) { try JSONValue(parsing: objects) }
  }
}

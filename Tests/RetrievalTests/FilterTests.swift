// What each comparison says about each kind of value, and what is refused.

import Fuzzing
import JSON
import Testing

@testable import Retrieval

@Suite struct FilterTests {
  private static let metadata = """
    {"year": 2024, "price": 9.5, "title": "Martlet", "draft": false, "nothing": null,
     "tags": ["bird", 3, true], "when": "2024-05-01T12:00:00+02:00", "day": "2024-05-01",
     "author": {"name": "Ada", "born": 1815}, "dotted.key": 1, "big": 9007199254740993}
    """

  @Test(arguments: [
    ("eq", "year", "2024", true), ("eq", "year", "2024.0", true), ("eq", "year", "\"2024\"", false),
    ("eq", "title", "\"Martlet\"", true), ("eq", "title", "\"martlet\"", false),
    ("eq", "draft", "false", true), ("eq", "draft", "0", false), ("eq", "nothing", "null", true),
    ("eq", "year", "null", false), ("eq", "missing", "null", false), ("eq", "missing", "1", false),
    ("eq", "tags", "[\"bird\", 3, true]", true), ("eq", "big", "9007199254740992", false),
    ("eq", "big", "9007199254740992.0", false), ("in", "year", "[7, 2024.0]", true),
    ("ne", "year", "2023", true), ("ne", "year", "2024", false), ("ne", "missing", "1", true),
    ("ne", "year", "\"2024\"", true),
    ("gt", "year", "2023", true), ("gt", "year", "2024", false), ("gt", "price", "9", true),
    ("gt", "missing", "0", false), ("gt", "title", "5", false), ("gt", "title", "\"Mart\"", true),
    ("gt", "nothing", "0", false), ("gt", "draft", "-1", false),
    ("gte", "year", "2024", true), ("gte", "year", "2024.5", false),
    ("lt", "price", "9.6", true), ("lt", "price", "9.5", false), ("lt", "missing", "1", false),
    ("lte", "price", "9.5", true), ("lte", "title", "\"Aardvark\"", false),
    ("in", "year", "[1, 2024]", true), ("in", "year", "[]", false),
    ("in", "missing", "[null]", false),
    ("nin", "year", "[1, 2]", true), ("nin", "year", "[2024]", false),
    ("nin", "missing", "[1]", true),
    ("contains", "tags", "\"bird\"", true), ("contains", "tags", "3", true),
    ("contains", "tags", "\"cat\"", false), ("contains", "title", "\"art\"", true),
    ("contains", "title", "3", false), ("contains", "year", "2", false),
    ("contains", "missing", "\"x\"", false),
    ("exists", "year", "true", true), ("exists", "nothing", "true", true),
    ("exists", "missing", "true", false), ("exists", "missing", "false", true),
    ("exists", "year", "false", false),
    ("eq", "when", "\"2024-05-01T10:00:00Z\"", true),
    ("gt", "when", "\"2024-05-01T09:59:59.9Z\"", true),
    ("lt", "when", "\"2024-05-01T12:00:00Z\"", true), ("gt", "when", "\"2024-04-30\"", true),
    ("eq", "day", "\"2024-05-01T00:00:00Z\"", true),
    ("lt", "day", "\"2024-05-01T00:00:01Z\"", true),
    ("in", "when", "[\"2024-05-01T10:00:00.000Z\"]", true),
    ("eq", "author.name", "\"Ada\"", true), ("gt", "author.born", "1800", true),
    ("eq", "author.missing", "1", false), ("eq", "dotted.key", "1", true),
    ("eq", "year.x", "1", false),
  ]) func comparisons(type: String, key: String, value: String, expected: Bool) throws {
    let filter = try Filter(json: [
      "type": .string(type), "key": .string(key), "value": json(value),
    ])
    let metadata = try #require(try json(Self.metadata).object)
    #expect(FilterPredicate(filter).matches(metadata) == expected)
    #expect(FilterPredicate(.not(filter)).matches(metadata) == !expected)
  }

  @Test(arguments: [
    (
      #"{"type":"and","filters":[{"type":"eq","key":"a","value":1},{"type":"eq","key":"b","value":2}]}"#,
      false
    ),
    (
      #"{"type":"or","filters":[{"type":"eq","key":"a","value":1},{"type":"eq","key":"b","value":2}]}"#,
      true
    ),
    (#"{"type":"not","filters":[{"type":"eq","key":"a","value":1}]}"#, false),
    (#"{"type":"exists","key":"a"}"#, true),
    // As a client writes it whose type of filters has all fields.
    (
      #"{"type":"and","key":null,"value":null,"filters":[{"type":"eq","key":"a","value":1,"filters":null}]}"#,
      true
    ),
    (#"{"type":"eq","key":"a","value":null,"filters":null}"#, false),
  ]) func combinations(text: String, expected: Bool) throws {
    #expect(FilterPredicate(try Filter(json: json(text))).matches(["a": 1]) == expected)
  }

  /// By columns of values as by one document after the other, while documents come and change.
  @Test func columnsSayTheSame() throws {
    var random = SeededRandom(seed: 17)
    let values: [JSONValue] = [
      1, 2, 2.5, "a", "ab", "中文", "2024-05-01", "2024-05-01T00:00:00Z", true, .null, ["a", 2],
      ["b": 1],
    ]
    func value() -> JSONValue { values.randomElement(using: &random) ?? .null }
    func filter(_ depth: Int) -> Filter {
      switch depth > 0 ? Int.random(in: 0..<5, using: &random) : 0 {
      case 1: .and([filter(depth - 1), filter(depth - 1)])
      case 2: .or([filter(depth - 1), filter(depth - 1), filter(depth - 1)])
      case 3: .not(filter(depth - 1))
      default:
        switch FilterComparison.allCases.randomElement(using: &random) ?? .eq {
        case .in: .comparison(.in, key: "x", value: [value(), value()])
        case .nin: .comparison(.nin, key: "y", value: [value(), value()])
        case .exists: .comparison(.exists, key: "x.b", value: true)
        case let other:
          .comparison(other, key: Bool.random(using: &random) ? "x" : "y", value: value())
        }
      }
    }
    var documents: [JSONObject] = []
    var table = DocumentTable()
    var cache = MetadataCache()
    var copies: [(documents: [JSONObject], table: DocumentTable, cache: MetadataCache)] = []
    func metadata() -> JSONObject {
      var metadata: JSONObject = [:]
      if Bool.random(using: &random) { metadata["x"] = value() }
      if Bool.random(using: &random) { metadata["y"] = value() }
      return metadata
    }
    for step in 0..<60 {
      if step % 3 == 2, let slot = documents.indices.randomElement(using: &random) {
        documents[slot] = metadata()
        let slots = table.setMetadata([(Int64(slot) + 1, documents[slot]), (9999, [:])])
        #expect(slots == [slot])
        cache = cache.changing(slots, of: table)
      }
      for _ in 0..<7 {
        documents.append(metadata())
        let id = Int64(documents.count)
        table.append(
          id, name: "\(id)", metadata: documents.last ?? [:], rowCount: documents.count % 3)
      }
      if step % 20 == 19 { table = table.gathered() }
      copies.append((documents, table, cache))
      let predicate = FilterPredicate(filter(3))
      // A reader's copy may be behind what another one has put into the columns.
      let (documents, known, cache) = copies.randomElement(using: &random) ?? copies[0]
      let found = predicate.rows(known.rowEnds.last ?? 0) { cache.column($0, of: known) }
      #expect(found.rowCount == known.rowEnds.last)
      for slot in 0..<known.slotCount {
        let expected = predicate.matches(documents[slot])
        #expect(known.rows(ofSlot: slot).allSatisfy { found[$0] == expected })
      }
    }
  }

  @Test(arguments: [
    ("[]", "filter"), ("{}", "filter.type"), (#"{"type":"like"}"#, "filter.type"),
    (#"{"type":"eq","value":1}"#, "filter.key"), (#"{"type":"eq","key":"a"}"#, "filter.value"),
    (#"{"type":"in","key":"a","value":1}"#, "filter.value"),
    (#"{"type":"gt","key":"a","value":true}"#, "filter.value"),
    (#"{"type":"gt","key":"a"}"#, "filter.value"),
    (#"{"type":"exists","key":"a","value":1}"#, "filter.value"),
    (#"{"type":"eq","key":"a","value":1,"filters":[]}"#, "filter.filters"),
    (#"{"type":"and","value":false,"filters":[{"type":"exists","key":"a"}]}"#, "filter.value"),
    (#"{"type":"and"}"#, "filter.filters"), (#"{"type":"and","filters":[]}"#, "filter.filters"),
    (
      #"{"type":"not","filters":[{"type":"exists","key":"a"},{"type":"exists","key":"a"}]}"#,
      "filter.filters"
    ),
    (
      #"{"type":"or","filters":[{"type":"exists","key":"a"},{"type":"x"}]}"#,
      "filter.filters[1].type"
    ),
  ]) func refusals(text: String, field: String) throws {
    let value = try json(text)
    let error = try #require(refusal { _ = try Filter(json: value) })
    #expect(error.field == field)
    #expect(error.code == "invalid_request")
  }

  @Test func filtersTooDeepOrTooLargeAreRefused() throws {
    var deep: JSONValue = ["type": "exists", "key": "a"]
    for _ in 0..<Filter.maximumDepth { deep = ["type": "not", "filters": [deep]] }
    #expect(refusal { _ = try Filter(json: deep) }?.code == "invalid_request")
    let part: JSONValue = ["type": "exists", "key": "a"]
    let wide: JSONValue = [
      "type": "or", "filters": .array(Array(repeating: part, count: Filter.maximumCount)),
    ]
    #expect(refusal { _ = try Filter(json: wide) }?.code == "invalid_request")
  }
}

@Suite struct TimestampTests {
  @Test(arguments: [
    ("1970-01-01T00:00:00Z", 0), ("1970-01-01", 0), ("2000-02-29T23:59:59Z", 951_868_799),
    ("2024-05-01T12:00:00+02:00", 1_714_557_600), ("2024-05-01t10:00:00z", 1_714_557_600),
    ("1969-12-31T23:59:59Z", -1), ("0001-01-01T00:00:00Z", -62_135_596_800),
    ("0000-01-01", -62_167_219_200), ("9999-12-31T23:59:59Z", 253_402_300_799),
    ("2016-12-31T23:59:60Z", 1_483_228_800), ("2024-01-01T00:00:00-23:59", 1_704_153_540),
  ]) func seconds(text: String, expected: Int64) {
    #expect(Timestamp(text)?.seconds == expected)
  }

  @Test(arguments: [
    "", "2024", "2024-13-01", "2024-02-30", "2023-02-29", "1900-02-29", "2024-05-01T",
    "2024-05-01T10:00Z",
    "2024-05-01T24:00:00Z", "2024-05-01T10:60:00Z", "2024-05-01T10:00:00", "2024-05-01T10:00:00.Z",
    "2024-05-01T10:00:00+0200", "2024-05-01T10:00:00Zx", "20240501", "+024-05-01", "２０24-05-01",
  ]) func otherStringsAreNotTimes(text: String) {
    #expect(Timestamp(text) == nil)
  }

  @Test func fractionsCount() throws {
    let a = try #require(Timestamp("2024-05-01T10:00:00.1Z"))
    let b = try #require(Timestamp("2024-05-01T10:00:00.10000000000000000001Z"))
    let c = try #require(Timestamp("2024-05-01T10:00:00.100000000000000001Z"))
    #expect(a == b && b < c)
  }
}

extension FilterPredicate {
  fileprivate func matches(_ metadata: JSONObject) -> Bool {
    let text = JSONValue.object(metadata).serialized()
    return (try? JSONDocument(parsing: text)).map { matches($0.root) } ?? false
  }
}

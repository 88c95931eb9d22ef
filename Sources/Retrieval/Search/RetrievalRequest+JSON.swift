// Reads the body of POST /retrieve (and the `retrieval` object of a chat request, which has no
// query of its own). Refuses unknown fields and words, and sizes out of range.

package import JSON

extension RetrievalRequest {
  private static let subjectFields = ["query", "queries", "vector"]
  private static let searchFields = [
    "collection", "top_k", "mode", "fusion", "filter", "min_score", "rerank", "boosts", "mmr",
    "dedupe", "max_per_document", "expand", "explain",
  ]

  /// - Parameters:
  ///   - given: stands in for `query`, `queries` and `vector` where those come from elsewhere
  ///   - others: fields of the same object that somebody else reads
  package init(
    json: JSONValue, subject given: Subject? = nil, field: String = "",
    besides others: [String] = []
  ) throws(RetrievalError) {
    let fields = try JSONFields(json, field: field)
    try fields.refuseOthers(
      than: (given == nil ? Self.subjectFields : []) + Self.searchFields + others)
    if let given { self.init(given) } else { self.init(try Self.subject(fields)) }
    collection = try fields.string("collection") ?? collection
    topK = try fields.int("top_k", in: 1...Self.maximumTopK) ?? topK
    mode = try fields.choice("mode")
    fusion = try fields.choice("fusion") ?? fusion
    if let value = fields.value("filter") {
      filter = try Filter(json: value, field: fields.name("filter"))
    }
    minimumScore = try fields.double("min_score")
    if let value = fields.value("mmr") {
      mmr = try Self.mmr(JSONFields(value, field: fields.name("mmr")))
    }
    boosts = try Self.boosts(fields)
    deduplication = try Self.deduplication(fields)
    maximumPerDocument = try fields.int("max_per_document", in: 1...Self.maximumTopK)
    if let value = fields.value("expand") {
      expansion = try Self.expansion(JSONFields(value, field: fields.name("expand")))
    }
    explain = try fields.bool("explain") ?? false
    if let value = fields.value("rerank") {
      rerank = try Reranking(json: value, field: fields.name("rerank"))
    }
    try validate()
  }

  /// What JSON can't say and code can: checked again before every search.
  func validate() throws(RetrievalError) {
    switch subject {
    case .query(let query):
      try Self.validate(query, field: "query")
    case .queries(let queries):
      guard (1...Self.maximumQueries).contains(queries.count) else {
        throw .invalidRequest(
          field: "queries",
          message: "\(queries.count) queries; 1 to \(Self.maximumQueries) are possible")
      }
      for (index, query) in queries.enumerated() {
        try Self.validate(query, field: "queries[\(index)]")
      }
    case .vector(let vector):
      guard effectiveMode == .dense else {
        throw .invalidRequest(
          field: "mode", message: "a vector has no words to search for; use \"dense\" or a query")
      }
      guard vector.allSatisfy(\.isFinite) else {
        throw .invalidRequest(field: "vector", message: "every value must be a finite float32")
      }
    }
    guard boosts.isEmpty || effectiveMode != .dense else {
      throw .invalidRequest(
        field: "boosts", message: "dense mode looks up no words; use \"hybrid\" or \"sparse\"")
    }
    guard rerank == nil || mmr == nil else {
      throw .invalidRequest(
        field: "rerank", message: "can't be combined with mmr, whose order it would undo")
    }
    if case .vector = subject, rerank != nil {
      throw .invalidRequest(field: "rerank", message: "needs a query with words, not a vector")
    }
    guard (1...Self.maximumTopK).contains(topK) else {
      throw .invalidRequest(field: "top_k", message: "\(topK) is not within 1 to 1000")
    }
  }

  private static func validate(_ query: String, field: String) throws(RetrievalError) {
    guard query.unicodeScalars.contains(where: { !$0.properties.isWhitespace }) else {
      throw .invalidRequest(field: field, message: "the query is empty")
    }
  }

  private static func subject(_ fields: JSONFields) throws(RetrievalError) -> Subject {
    let given = subjectFields.filter { fields.value($0) != nil }
    guard given.count == 1 else {
      throw fields.invalid(
        given.isEmpty ? "query" : given[1],
        given.isEmpty
          ? "one of query, queries and vector is needed"
          : "only one of query, queries and vector is possible")
    }
    if let query = try fields.string("query") { return .query(query) }
    if let list = fields.value("queries") {
      return .queries(try elements(list, "queries", fields, \.string, "strings"))
    }
    let numbers = try elements(
      fields.value("vector") ?? .null, "vector", fields, \.double, "numbers")
    return .vector(numbers.map { Float($0) })
  }

  private static func elements<T>(
    _ list: JSONValue, _ key: String, _ fields: JSONFields, _ read: (JSONValue) -> T?,
    _ wanted: String
  ) throws(RetrievalError) -> [T] {
    guard let array = list.array else {
      throw fields.invalid(key, "expected an array of \(wanted), found \(list.kind)")
    }
    var elements: [T] = []
    elements.reserveCapacity(array.count)
    for (index, value) in array.enumerated() {
      guard let element = read(value) else {
        throw fields.invalid("\(key)[\(index)]", "expected \(wanted), found \(value.kind)")
      }
      elements.append(element)
    }
    return elements
  }

  private static func mmr(_ fields: JSONFields) throws(RetrievalError) -> MaximalMarginalRelevance {
    let defaults = MaximalMarginalRelevance()
    try fields.refuseOthers(than: ["lambda", "fetch_k"])
    return MaximalMarginalRelevance(
      lambda: try fields.double("lambda", in: 0...1) ?? defaults.lambda,
      fetchCount: try fields.int("fetch_k", in: 1...maximumTopK) ?? defaults.fetchCount)
  }

  /// `{"title": 2, "tags": 0.5}`
  private static func boosts(_ fields: JSONFields) throws(RetrievalError) -> [FieldBoost] {
    guard let value = fields.value("boosts") else { return [] }
    let weights = try JSONFields(value, field: fields.name("boosts"))
    guard weights.object.count <= maximumBoosts else {
      throw fields.invalid("boosts", "\(maximumBoosts) fields at most can be boosted")
    }
    var boosts: [FieldBoost] = []
    for key in weights.object.keys {
      guard let weight = try weights.double(key, in: 0...1000) else { continue }
      boosts.append(FieldBoost(key: key, weight: weight))
    }
    return boosts
  }

  /// `true` or `{"similarity": 0.95}`
  private static func deduplication(_ fields: JSONFields) throws(RetrievalError) -> Deduplication? {
    guard let value = fields.value("dedupe") else { return nil }
    if let wanted = value.bool { return wanted ? Deduplication() : nil }
    let parts = try JSONFields(value, field: fields.name("dedupe"))
    try parts.refuseOthers(than: ["similarity"])
    let similarity = try parts.double("similarity", in: 0...1)
    return similarity.map { Deduplication(similarity: $0) } ?? Deduplication()
  }

  private static func expansion(_ fields: JSONFields) throws(RetrievalError) -> Expansion {
    let defaults = Expansion()
    try fields.refuseOthers(than: ["by", "count", "max_characters"])
    return Expansion(
      try fields.choice("by") ?? defaults.extent,
      count: try fields.int("count", in: 1...20) ?? defaults.count,
      maximumSize: try fields.int("max_characters", in: 1...100_000) ?? defaults.maximumSize)
  }
}

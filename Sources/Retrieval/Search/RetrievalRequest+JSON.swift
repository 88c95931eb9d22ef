// Reads the body of POST /retrieve (and the `retrieval` object of a chat request, which has no
// query of its own). Refuses unknown words, sizes out of range and a request to rerank.

package import JSON

extension RetrievalRequest {
  /// `subject` stands in for `query`, `queries` and `vector` where those come from elsewhere.
  package init(json: JSONValue, subject given: Subject? = nil, field: String = "")
    throws(RetrievalError)
  {
    let fields = try JSONFields(json, field: field)
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
    explain = try fields.bool("explain") ?? false
    try refuseReranking(fields)
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
    let given = ["query", "queries", "vector"].filter { fields.value($0) != nil }
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
    return MaximalMarginalRelevance(
      lambda: try fields.double("lambda", in: 0...1) ?? defaults.lambda,
      fetchCount: try fields.int("fetch_k", in: 1...maximumTopK) ?? defaults.fetchCount)
  }

  private func refuseReranking(_ fields: JSONFields) throws(RetrievalError) {
    guard let value = fields.value("rerank"), value.bool != false else { return }
    throw .unsupported(
      field: fields.name("rerank"),
      message: "no reranking model is loaded; leave the field out")
  }
}

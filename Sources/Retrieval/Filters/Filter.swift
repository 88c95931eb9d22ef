// A condition on metadata, in OpenAI's form:
//   {"type": "eq", "key": "year", "value": 2024}
//   {"type": "and", "filters": [...]}
// Refuses unknown types, missing parts and filters too deep or too large to be meant.

package import JSON

package enum FilterComparison: String, Sendable, CaseIterable {
  case eq, ne, gt, gte, lt, lte, `in`, nin, contains, exists
}

package indirect enum Filter: Sendable, Hashable {
  case comparison(FilterComparison, key: String, value: JSONValue)
  case and([Filter])
  case or([Filter])
  case not(Filter)

  static let maximumDepth = 32
  static let maximumCount = 1000
}

extension Filter {
  package init(json: JSONValue, field: String = "filter") throws(RetrievalError) {
    var remaining = Self.maximumCount
    self = try Self.read(json, field: field, depth: 1, remaining: &remaining)
  }

  private static func read(_ json: JSONValue, field: String, depth: Int, remaining: inout Int)
    throws(RetrievalError) -> Filter
  {
    remaining -= 1
    guard depth <= maximumDepth, remaining >= 0 else {
      throw .invalidRequest(
        field: field,
        message: "filters may be \(maximumDepth) deep and have \(maximumCount) parts at most")
    }
    let fields = try JSONFields(json, field: field)
    guard let type = try fields.string("type") else {
      throw fields.invalid("type", "missing; use one of \(knownTypes)")
    }
    if let comparison = FilterComparison(rawValue: type) {
      try fields.refuseOthers(than: ["type", "key", "value"])
      return try readComparison(comparison, fields)
    }
    guard ["and", "or", "not"].contains(type) else {
      throw fields.invalid("type", "\"\(type)\" is none of \(knownTypes)")
    }
    try fields.refuseOthers(than: ["type", "filters"])
    guard let list = fields.value("filters")?.array, !list.isEmpty else {
      throw fields.invalid("filters", "\"\(type)\" needs an array of at least one filter")
    }
    var parts: [Filter] = []
    for (index, part) in list.enumerated() {
      let name = fields.name("filters[\(index)]")
      parts.append(try read(part, field: name, depth: depth + 1, remaining: &remaining))
    }
    switch type {
    case "and": return .and(parts)
    case "or": return .or(parts)
    default:
      guard parts.count == 1 else {
        throw fields.invalid("filters", "\"not\" takes exactly one filter")
      }
      return .not(parts[0])
    }
  }

  private static func readComparison(_ comparison: FilterComparison, _ fields: JSONFields)
    throws(RetrievalError) -> Filter
  {
    guard let key = try fields.string("key"), !key.isEmpty else {
      throw fields.invalid("key", "the name of a metadata field is needed")
    }
    // Null is a value that can be compared with, so a missing one must be told apart from it.
    let given = fields.object["value"]
    switch comparison {
    case .exists:
      guard given == nil || given?.bool != nil else {
        throw fields.invalid("value", "\"exists\" takes true or false")
      }
      return .comparison(.exists, key: key, value: .bool(given?.bool ?? true))
    case .in, .nin:
      guard given?.array != nil else {
        throw fields.invalid("value", "\"\(comparison.rawValue)\" takes an array of values")
      }
    case .gt, .gte, .lt, .lte:
      guard given?.double != nil || given?.string != nil else {
        throw fields.invalid("value", "\"\(comparison.rawValue)\" takes a number or a string")
      }
    case .eq, .ne, .contains:
      guard given != nil else { throw fields.invalid("value", "missing") }
    }
    return .comparison(comparison, key: key, value: given ?? .null)
  }

  private static var knownTypes: String {
    (FilterComparison.allCases.map(\.rawValue) + ["and", "or", "not"]).joined(separator: ", ")
  }
}

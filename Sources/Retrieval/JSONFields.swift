// Reading one JSON object of a request field by field, so that every refusal names the field.
// Null counts as missing. Fields of other names are refused where `refuseOthers` is called: a setting
// that was misspelt would silently not count.

package import JSON

package struct JSONFields {
  let object: JSONObject
  /// Prefix of the names in errors, such as `chunking.`.
  let prefix: String

  package init(_ value: JSONValue, field: String = "") throws(RetrievalError) {
    guard let object = value.object else {
      throw .invalidRequest(
        field: field.isEmpty ? "body" : field, message: "expected an object, found \(value.kind)")
    }
    self.object = object
    prefix = field.isEmpty ? "" : field + "."
  }

  /// Throws for the first field that is none of these and not null.
  package func refuseOthers(than known: [String]) throws(RetrievalError) {
    guard let other = object.keys.first(where: { !known.contains($0) && value($0) != nil }) else {
      return
    }
    throw invalid(other, "there is no such field; there are \(known.joined(separator: ", "))")
  }

  package func name(_ key: String) -> String { prefix + key }

  package func invalid(_ key: String, _ message: String) -> RetrievalError {
    .invalidRequest(field: name(key), message: message)
  }

  package func value(_ key: String) -> JSONValue? {
    guard let value = object[key], !value.isNull else { return nil }
    return value
  }

  package func string(_ key: String) throws(RetrievalError) -> String? {
    guard let value = value(key) else { return nil }
    guard let string = value.string else {
      throw invalid(key, "expected a string, found \(value.kind)")
    }
    return string
  }

  package func bool(_ key: String) throws(RetrievalError) -> Bool? {
    guard let value = value(key) else { return nil }
    guard let bool = value.bool else {
      throw invalid(key, "expected true or false, found \(value.kind)")
    }
    return bool
  }

  package func double(_ key: String, in range: ClosedRange<Double>? = nil) throws(RetrievalError)
    -> Double?
  {
    guard let value = value(key) else { return nil }
    guard let number = value.double, number.isFinite else {
      throw invalid(key, "expected a number, found \(value.kind)")
    }
    if let range, !range.contains(number) {
      throw invalid(key, "\(number) is not within \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  package func int(_ key: String, in range: ClosedRange<Int>) throws(RetrievalError) -> Int? {
    guard let value = value(key) else { return nil }
    guard let number = value.int else {
      throw invalid(key, "expected a whole number, found \(value.kind)")
    }
    guard range.contains(number) else {
      throw invalid(key, "\(number) is not within \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  package func choice<T: RawRepresentable & CaseIterable>(_ key: String, _ type: T.Type = T.self)
    throws(RetrievalError) -> T? where T.RawValue == String
  {
    guard let word = try string(key) else { return nil }
    guard let choice = T(rawValue: word) else {
      let known = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw invalid(key, "\"\(word)\" is none of \(known)")
    }
    return choice
  }
}

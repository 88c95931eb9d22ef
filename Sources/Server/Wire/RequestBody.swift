// Request bodies as typed values, and answers as JSON. What can't be read is refused with the
// position in the text or the path of the field.

import HTTP
import HTTPTypes
import JSON

extension Request {
  /// Decodes a JSON body; `{}` stands for an empty one only where `allowsEmpty`.
  func decode<Body: Decodable>(
    _ type: Body.Type, allowsEmpty: Bool = false
  ) throws(APIError) -> Body {
    try decode(type, from: try json(allowsEmpty: allowsEmpty))
  }

  /// The body as JSON, key order kept.
  func json(allowsEmpty: Bool = false) throws(APIError) -> JSONValue {
    if body.isEmpty, allowsEmpty { return [:] }
    guard !body.isEmpty else {
      throw .invalid("The request body is empty; send a JSON object.")
    }
    do { return try JSONValue(parsing: body) } catch {
      throw .invalid("The request body is not valid JSON: \(error)", code: "invalid_json")
    }
  }

  /// Refuses parameters of the query by other names: one that was misspelt would silently not count.
  func refuseOtherParameters(than known: [String]) throws(APIError) {
    guard let other = query.first(where: { !known.contains($0.name) }) else { return }
    throw .unknownParameter(other.name, known: known)
  }

  func decode<Body: Decodable>(
    _ type: Body.Type, from value: JSONValue
  ) throws(APIError) -> Body {
    do { return try JSONReader().decode(type, from: value) } catch {
      let path = (error as? JSONError)?.path ?? ""
      throw .invalid("\(error)", param: path.isEmpty ? nil : path)
    }
  }
}

extension Response {
  static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    .bytes(try JSONWriter().encode(value), contentType: "application/json", status: status)
  }
}

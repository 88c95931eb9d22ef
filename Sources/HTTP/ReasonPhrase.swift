// What stands behind the code in a status line: nothing to programs, but people read it. RFC 9110
// section 15 names them.

import HTTPTypes

enum ReasonPhrase {
  /// Those of the statuses that servers here answer, where they were made from a bare code.
  private static let known: [Int: String] = {
    let statuses: [HTTPResponse.Status] = [
      .ok, .created, .accepted, .noContent, .badRequest, .unauthorized, .forbidden, .notFound,
      .methodNotAllowed, .requestTimeout, .conflict, .lengthRequired, .contentTooLarge, .uriTooLong,
      .unsupportedMediaType, .expectationFailed, .tooManyRequests, .requestHeaderFieldsTooLarge,
      .internalServerError, .notImplemented, .serviceUnavailable, .httpVersionNotSupported,
    ]
    var phrases = [499: "Client Closed Request", 507: "Insufficient Storage"]
    for status in statuses { phrases[status.code] = status.reasonPhrase }
    return phrases
  }()

  static func of(_ status: HTTPResponse.Status) -> String {
    status.reasonPhrase.isEmpty ? known[status.code] ?? "" : status.reasonPhrase
  }
}

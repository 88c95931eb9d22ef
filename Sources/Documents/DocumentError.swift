// Everything that is refused about documents that come in, as one enum. Each case carries what a
// caller needs to choose a status and each message says what was wrong, where, and what to do about
// it.

package enum DocumentError: Error, Sendable, Hashable {
  /// What came isn't what it says it is: `field` is what of the request that is, such as its body.
  case invalidRequest(field: String, message: String)
  /// One document of a batch; nothing of the batch was stored.
  case invalidDocument(index: Int, id: String?, message: String)
  case unsupportedContentType(String, supported: [String])
  /// The format could be read, if something were installed.
  case formatUnavailable(format: String, needs: String)
  /// What comes out of a document passes a limit.
  case documentTooLarge(message: String)
}

extension DocumentError {
  /// A stable word for machines.
  package var code: String {
    switch self {
    case .invalidRequest: "invalid_request"
    case .invalidDocument: "invalid_document"
    case .unsupportedContentType: "unsupported_content_type"
    case .formatUnavailable: "format_unavailable"
    case .documentTooLarge: "document_too_large"
    }
  }

  /// The request field at fault, where there is one.
  package var field: String? {
    switch self {
    case .invalidRequest(let field, _): field
    case .invalidDocument(let index, _, _): "documents[\(index)]"
    default: nil
    }
  }
}

extension DocumentError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalidRequest(let field, let message):
      "\(field): \(message)"
    case .invalidDocument(let index, let id, let message):
      "document \(index)\(id.map { " (id \"\($0)\")" } ?? ""): \(message); nothing was stored"
    case .unsupportedContentType(let type, let supported):
      "content type \"\(type)\" can't be read; supported are \(supported.joined(separator: ", "))"
    case .formatUnavailable(let format, let needs):
      "documents in \(format) can't be read here: that needs \(needs)"
    case .documentTooLarge(let message): message
    }
  }
}

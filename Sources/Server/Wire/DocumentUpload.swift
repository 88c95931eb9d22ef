// A request's body as files that hold documents: one raw body, or the files of a form. What the body
// can't say by itself is in the query, or in the form's fields: id, filename, metadata, source, wait and,
// for tables and JSON of any shape, text_columns, metadata_columns and id_column.

import Documents
import HTTP
import HTTPTypes
import JSON

struct DocumentUpload {
  let files: [DocumentSource]
  /// Of which the upload is all there is now; nil where nothing is said about that.
  let origin: String?
  /// Whether the client won't wait until the documents are stored.
  let wantsJob: Bool

  private static let parameters = [
    "id", "filename", "metadata", "source", "text_columns", "metadata_columns", "id_column", "wait",
  ]

  init(of request: Request) throws {
    try request.refuseOtherParameters(than: Self.parameters)
    let type = request.documentType
    guard type.lowercased().hasPrefix("multipart/form-data") else {
      files = [
        try Self.file(Array(request.body), type: type, fileName: nil, request) {
          request.queryValue($0)
        }
      ]
      origin = request.queryValue("source")
      wantsJob = try request.wantsJob(wait: request.queryValue("wait"))
      return
    }
    let form: MultipartForm
    do throws(MultipartError) {
      form = try MultipartForm(request.body, contentType: type)
    } catch {
      throw APIError.invalid("The form can't be read: \(error).", code: "invalid_form")
    }
    let names = form.parts.filter { $0.fileName == nil }.map(\.name)
    if let other = names.first(where: { !Self.parameters.contains($0) }) {
      throw APIError.unknownParameter(other, known: Self.parameters)
    }
    let parts = form.parts.filter { $0.fileName != nil }
    guard !parts.isEmpty else {
      throw APIError.invalid("The form has no file; send it as -F file=@NAME.", param: "file")
    }
    func field(_ name: String) -> String? {
      let part = form.parts.last { $0.fileName == nil && $0.name == name }
      return part.map { String(decoding: $0.body, as: UTF8.self) } ?? request.queryValue(name)
    }
    if parts.count > 1, field("id") ?? request.parameters["id"] != nil {
      throw APIError.invalid("An id goes with a single file, not with \(parts.count).", param: "id")
    }
    files = try parts.map { part in
      try Self.file(
        Array(part.body), type: part.contentType, fileName: part.fileName, request, field)
    }
    origin = field("source")
    wantsJob = try request.wantsJob(wait: field("wait"))
  }

  private static func file(
    _ bytes: [UInt8], type: String?, fileName: String?, _ request: Request,
    _ field: (String) -> String?
  ) throws -> DocumentSource {
    let fileName = fileName ?? field("filename")
    let (named, id) = (request.parameters["id"], field("id"))
    if let named, let id, id != named {
      throw APIError.invalid(
        "The path names the document '\(named)' and the parameter id '\(id)'; leave one of them out.",
        param: "id")
    }
    var source = DocumentSource(
      bytes: bytes, contentType: type, fileName: fileName, id: named ?? id ?? fileName,
      fields: try fields(field))
    if let text = field("metadata") {
      guard let metadata = try? JSONValue(parsing: text).object else {
        throw APIError.invalid("metadata must be a JSON object.", param: "metadata")
      }
      source.metadata = metadata
    }
    return source
  }

  private static func fields(_ field: (String) -> String?) throws(APIError) -> FieldMap? {
    func names(_ key: String) -> [String]? {
      field(key).map { $0.split(separator: ",").map { String($0.trimmingSpaces) } }
    }
    guard let text = names("text_columns"), !text.isEmpty else {
      for key in ["metadata_columns", "id_column"] where field(key) != nil {
        throw .invalid("\(key) goes with text_columns: say which columns are text.", param: key)
      }
      return nil
    }
    return FieldMap(text: text, metadata: names("metadata_columns"), id: field("id_column"))
  }
}

extension Request {
  /// Where nothing is said, what the file's name or the bytes say, else JSON; curl's default for `-d`,
  /// which nobody means, counts as nothing.
  fileprivate var documentType: String {
    let type = headers[.contentType] ?? ""
    let isUnset = type.isEmpty || type.hasPrefix("application/x-www-form-urlencoded")
    guard isUnset else { return type }
    let says = queryValue("filename") != nil || Extractors.recognizes(body)
    return says ? "application/octet-stream" : "application/json"
  }
}

extension Substring {
  fileprivate var trimmingSpaces: Substring {
    var trimmed = drop { $0 == " " }
    while trimmed.last == " " { trimmed.removeLast() }
    return trimmed
  }
}

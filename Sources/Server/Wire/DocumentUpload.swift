// A request's body as sources of documents: one raw body, or the files of a form. What the body can't
// say by itself is in the query, or in the form's fields: id, filename, metadata and, for tables and
// JSON of any shape, text_columns, metadata_columns and id_column.

import HTTP
import HTTPTypes
import JSON
import Retrieval

enum DocumentUpload {
  static func sources(of request: Request) throws -> [DocumentSource] {
    let type = request.documentType
    guard type.lowercased().hasPrefix("multipart/form-data") else {
      return [
        try source(Array(request.body), type: type, fileName: nil, request) {
          request.queryValue($0)
        }
      ]
    }
    let form: MultipartForm
    do throws(MultipartError) {
      form = try MultipartForm(request.body, contentType: type)
    } catch {
      throw APIError.invalid("The form can't be read: \(error).", code: "invalid_form")
    }
    let files = form.parts.filter { $0.fileName != nil }
    guard !files.isEmpty else {
      throw APIError.invalid("The form has no file; send it as -F file=@NAME.", param: "file")
    }
    func field(_ name: String) -> String? {
      let part = form.parts.last { $0.fileName == nil && $0.name == name }
      return part.map { String(decoding: $0.body, as: UTF8.self) } ?? request.queryValue(name)
    }
    if files.count > 1, field("id") ?? request.parameters["id"] != nil {
      throw APIError.invalid("An id goes with a single file, not with \(files.count).", param: "id")
    }
    return try files.map { file in
      try source(
        Array(file.body), type: file.contentType, fileName: file.fileName, request, field)
    }
  }

  private static func source(
    _ bytes: [UInt8], type: String?, fileName: String?, _ request: Request,
    _ field: (String) -> String?
  ) throws -> DocumentSource {
    let fileName = fileName ?? field("filename")
    var source = DocumentSource(
      bytes: bytes, contentType: type, fileName: fileName,
      id: request.parameters["id"] ?? field("id") ?? fileName, fields: fields(field))
    if let text = field("metadata") {
      guard let metadata = try? JSONValue(parsing: text).object else {
        throw APIError.invalid("metadata must be a JSON object.", param: "metadata")
      }
      source.metadata = metadata
    }
    return source
  }

  private static func fields(_ field: (String) -> String?) -> FieldMap? {
    func names(_ key: String) -> [String]? {
      field(key).map { $0.split(separator: ",").map { String($0.trimmingSpaces) } }
    }
    guard let text = names("text_columns"), !text.isEmpty else { return nil }
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

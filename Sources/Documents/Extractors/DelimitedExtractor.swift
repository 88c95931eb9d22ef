// Tables of comma- or tab-separated values (RFC 4180; IANA's text/tab-separated-values, quotes allowed
// as in CSV). With a field map each row is a document, the first row naming the columns; without one
// the whole table is one document, unaltered. Values written exactly like JSON numbers become numbers
// in metadata, so that filters compare them.

import JSON

enum DelimitedExtractor: Extractor {
  static let contentTypes = ["text/csv", "application/csv", "text/tab-separated-values"]
  static let fileEndings = ["csv", "tsv", "tab"]

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let text = try TextDecoding.decode(source.bytes, charset: source.charset)
    let type = source.contentType.map { MediaType($0).essence }
    let ending = source.fileName.flatMap(FileEnding.of) ?? ""
    let isTabbed =
      type == "text/tab-separated-values" || type != "text/csv" && ["tsv", "tab"].contains(ending)
    guard let fields = source.fields else {
      return [source.document(text, format: isTabbed ? "tsv" : "csv")]
    }
    return try rows(text, isTabbed ? "\t" : ",", fields, source)
  }

  private static func rows(
    _ text: String, _ separator: Unicode.Scalar, _ fields: FieldMap, _ source: DocumentSource
  ) throws(DocumentError) -> [DocumentInput] {
    var parser = DelimitedParser(text, separator: separator)
    guard let names = try parser.next() else { return [] }
    guard Set(names).count == names.count else {
      throw .invalidRequest(field: "body", message: "two columns have the same name in line 1")
    }
    var documents: [DocumentInput] = []
    while let row = try parser.next() {
      // An empty line at the end, or a spreadsheet's.
      if row.count == 1, row[0].isEmpty, names.count > 1 { continue }
      guard row.count == names.count else {
        throw .invalidRequest(
          field: "body",
          message: """
            line \(parser.rowLine): \(row.count) fields where line 1 names \(names.count) columns
            """)
      }
      var record: JSONObject = [:]
      for (name, value) in zip(names, row) {
        record[name] = fields.text.contains(name) ? .string(value) : Self.value(value)
      }
      var rowSource = source
      rowSource.metadata["row"] = .integer(Int64(documents.count + 1))
      documents.append(
        try fields.document(from: record, index: documents.count, rowSource))
    }
    return documents
  }

  /// A number only where writing it again gives the same text: "007" and "1.50" are codes.
  private static func value(_ text: String) -> JSONValue {
    if let integer = Int64(text), String(integer) == text { return .integer(integer) }
    if let number = Double(text), number.isFinite, "\(number)" == text { return .double(number) }
    return .string(text)
  }
}

// Rows of delimited text, one after the other, by RFC 4180: fields may be quoted, quoted ones hold
// separators, line ends and doubled quotes. Lines end in LF, CR LF or CR. Refuses a quote that is
// never closed, and text behind a closing one.

struct DelimitedParser {
  private let scalars: [Unicode.Scalar]
  private let separator: Unicode.Scalar
  private var position = 0
  private var line = 1
  /// Where the row that was read last begins.
  private(set) var rowLine = 1

  init(_ text: String, separator: Unicode.Scalar) {
    scalars = Array(text.unicodeScalars)
    self.separator = separator
  }

  /// nil: the end.
  mutating func next() throws(DocumentError) -> [String]? {
    guard position < scalars.count else { return nil }
    rowLine = line
    var fields: [String] = []
    while true {
      fields.append(try field())
      guard position < scalars.count, scalars[position] == separator else { break }
      position += 1
    }
    skipLineEnd()
    return fields
  }

  private mutating func field() throws(DocumentError) -> String {
    if position < scalars.count, scalars[position] == "\"" { return try quotedField() }
    var field = String.UnicodeScalarView()
    while position < scalars.count, scalars[position] != separator, !isLineEnd(position) {
      field.append(scalars[position])
      position += 1
    }
    return String(field)
  }

  private mutating func quotedField() throws(DocumentError) -> String {
    let start = line
    var field = String.UnicodeScalarView()
    position += 1
    while position < scalars.count {
      let scalar = scalars[position]
      position += 1
      if scalar == "\"" {
        guard position < scalars.count, scalars[position] == "\"" else {
          guard position == scalars.count || scalars[position] == separator || isLineEnd(position)
          else {
            throw .invalidRequest(
              field: "body", message: "line \(line): text follows a closing quote")
          }
          return String(field)
        }
        position += 1
      } else if scalar == "\n" {
        line += 1
      }
      field.append(scalar)
    }
    throw .invalidRequest(
      field: "body", message: "the quote opened in line \(start) is never closed")
  }

  private func isLineEnd(_ position: Int) -> Bool {
    scalars[position] == "\n" || scalars[position] == "\r"
  }

  private mutating func skipLineEnd() {
    guard position < scalars.count else { return }
    if scalars[position] == "\r", position + 1 < scalars.count, scalars[position + 1] == "\n" {
      position += 1
    }
    position += 1
    line += 1
  }
}

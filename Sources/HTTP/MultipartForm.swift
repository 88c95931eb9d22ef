// The parts of a multipart/form-data body (RFC 7578, RFC 2046 section 5.1), as browsers and curl upload
// files. Relies on the body being complete. Refuses a body without a closing delimiter, parts without
// a name, and more parts or longer headers than any form has.

package struct MultipartForm: Sendable {
  package struct Part: Sendable {
    /// The form field's name.
    package var name: String
    /// Present for files.
    package var fileName: String?
    package var contentType: String?
    package var body: ArraySlice<UInt8>
  }

  package private(set) var parts: [Part] = []

  private static let maximumPartCount = 1000
  private static let maximumHeaderByteCount = 16 << 10

  /// - Parameter contentType: the request's header, which names the boundary
  package init(_ body: [UInt8], contentType: String) throws(MultipartError) {
    guard let boundary = Self.parameter("boundary", of: contentType),
      (1...70).contains(boundary.utf8.count)
    else { throw MultipartError("the Content-Type names no boundary of 1 to 70 characters") }
    let delimiter = Array("\r\n--\(boundary)".utf8)
    // The first delimiter may stand at the very beginning, without its line end.
    let opening = delimiter[2...]
    var position: Int
    if body.starts(with: opening) {
      position = opening.count
    } else if let first = Self.find(delimiter, in: body[...]) {
      position = first + delimiter.count
    } else {
      throw MultipartError("the body holds no line \"--\(boundary)\"")
    }
    while !body[position...].starts(with: Array("--".utf8)) {
      guard parts.count < Self.maximumPartCount else {
        throw MultipartError("the form has more than \(Self.maximumPartCount) parts")
      }
      guard let lineEnd = Self.find([0x0D, 0x0A], in: body[position...]),
        body[position..<lineEnd].allSatisfy({ $0 == 0x20 || $0 == 0x09 }),
        let end = Self.find(delimiter, in: body[lineEnd...])
      else { throw MultipartError("the body ends within a part") }
      // Empty headers share their line end with the delimiter's line.
      try append(body[lineEnd..<end])
      position = end + delimiter.count
    }
  }

  /// - Parameter part: from the line end before the headers to the next delimiter
  private mutating func append(_ part: ArraySlice<UInt8>) throws(MultipartError) {
    let head = part.prefix(Self.maximumHeaderByteCount)
    guard let blank = Self.find([0x0D, 0x0A, 0x0D, 0x0A], in: head) else {
      throw MultipartError("part \(parts.count + 1) has no end of its headers")
    }
    let headers = String(decoding: part[part.startIndex..<blank], as: UTF8.self)
    var disposition = ""
    var contentType: String?
    for line in headers.split(whereSeparator: \.isNewline) {
      guard let colon = line.firstIndex(of: ":") else { continue }
      let value = String(line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
      switch line[..<colon].lowercased() {
      case "content-disposition": disposition = value
      case "content-type": contentType = value
      default: break
      }
    }
    guard let name = Self.parameter("name", of: disposition) else {
      throw MultipartError("part \(parts.count + 1) has no name in its Content-Disposition")
    }
    parts.append(
      Part(
        name: name, fileName: Self.parameter("filename", of: disposition),
        contentType: contentType, body: part[(blank + 4)...]))
  }

  // MARK: Reading

  private static func find(_ pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Int? {
    var position = bytes.startIndex
    while position <= bytes.endIndex - pattern.count {
      guard let next = bytes[position...].firstIndex(of: pattern[0]),
        next <= bytes.endIndex - pattern.count
      else { return nil }
      if bytes[next..<next + pattern.count].elementsEqual(pattern) { return next }
      position = next + 1
    }
    return nil
  }

  /// A header's parameter: a token, or a quoted string whose quotes are escaped by a backslash or, as
  /// browsers do it, by %22.
  static func parameter(_ wanted: String, of header: String) -> String? {
    var rest = header[...]
    while let semicolon = rest.firstIndex(of: ";") {
      rest = rest[rest.index(after: semicolon)...].drop { $0 == " " || $0 == "\t" }
      guard let equals = rest.firstIndex(of: "=") else { return nil }
      let name = rest[..<equals].lowercased()
      rest = rest[rest.index(after: equals)...]
      var value = ""
      if rest.first == "\"" {
        rest = rest.dropFirst()
        while let character = rest.popFirst(), character != "\"" {
          if character == "\\", let escaped = rest.first, escaped == "\"" || escaped == "\\" {
            value.append(rest.removeFirst())
          } else {
            value.append(character)
          }
        }
        value = value.replacing("%22", with: "\"")
      } else {
        value = String(rest.prefix { $0 != ";" && $0 != " " })
      }
      if name == wanted { return value }
    }
    return nil
  }
}

/// What a form lacks, in a sentence.
package struct MultipartError: Error, Hashable, CustomStringConvertible {
  package let description: String
  init(_ description: String) { self.description = description }
}

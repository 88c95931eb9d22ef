// A request target taken apart: path segments and query, percent-decoded. Decoding comes after
// splitting, so that %2F stays inside its segment and %26 inside its value.
// Refuses broken escapes, invalid UTF-8 and NUL; leaves dot segments as they are.

struct RequestTarget {
  let path: String
  let segments: [String]
  let query: [(name: String, value: String)]

  /// An origin-form target (`/path?query`), or `*`.
  init?(_ target: String) {
    self.init(bytes: Array(target.utf8)[...])
  }

  init?(bytes: ArraySlice<UInt8>) {
    let mark = bytes.firstIndex(of: UInt8(ascii: "?"))
    let pathBytes = bytes[..<(mark ?? bytes.endIndex)]
    guard let path = Self.decode(pathBytes) else { return nil }
    self.path = path
    if pathBytes.contains(UInt8(ascii: "%")) {
      var segments: [String] = []
      for part in Self.split(pathBytes) {
        guard let segment = Self.decode(part) else { return nil }
        segments.append(segment)
      }
      self.segments = segments
    } else {
      segments = Self.split(pathBytes).map { String(decoding: $0, as: UTF8.self) }
    }
    guard let query = Self.pairs(mark.map { bytes[bytes.index(after: $0)...] } ?? [])
    else { return nil }
    self.query = query
  }

  /// `/a/b` is two segments, `/a/` is `a` and an empty one, `/` is one empty one.
  private static func split(_ path: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    let relative = path.first == UInt8(ascii: "/") ? path.dropFirst() : path
    return relative.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
  }

  /// The segments of an already decoded path or of a pattern.
  static func segments(of path: String) -> [String] {
    split(Array(path.utf8)[...]).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func pairs(_ query: ArraySlice<UInt8>) -> [(name: String, value: String)]? {
    var pairs: [(name: String, value: String)] = []
    for part in query.split(separator: UInt8(ascii: "&")) {
      let equals = part.firstIndex(of: UInt8(ascii: "=")) ?? part.endIndex
      guard let name = decode(part[..<equals], plusIsSpace: true),
        let value = decode(part[equals...].dropFirst(), plusIsSpace: true)
      else { return nil }
      pairs.append((name, value))
    }
    return pairs
  }

  static func decode(_ bytes: ArraySlice<UInt8>, plusIsSpace: Bool = false) -> String? {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(bytes.count)
    var rest = bytes
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "%"):
        guard let high = rest.popFirst().flatMap(hexadecimalValue),
          let low = rest.popFirst().flatMap(hexadecimalValue), high | low != 0
        else { return nil }
        decoded.append(high << 4 | low)
      case UInt8(ascii: "+") where plusIsSpace: decoded.append(UInt8(ascii: " "))
      case 0: return nil
      default: decoded.append(byte)
      }
    }
    return String(validating: decoded, as: UTF8.self)
  }
}

func hexadecimalValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
  default: nil
  }
}

// Strings and numbers of the grammar: checked to the last byte here, decoded by JSONNode later.
// Relies on the caller standing at the first byte. Refuses what String or Double could not hold
// exactly as written: ill-formed UTF-8, half a surrogate pair, magnitudes beyond double's.

extension TapeBuilder {
  // MARK: Strings

  mutating func appendString() throws(JSONError) {
    position += 1
    let start = position
    var kind = TapeEntry.Kind.plainString
    while true {
      position = endOfPlainText(from: position)
      guard let byte = peek() else { break }
      if byte == UInt8(ascii: "\"") {
        append(kind, from: start, to: position)
        position += 1
        return
      } else if byte == UInt8(ascii: "\\") {
        kind = .escapedString
        try skipEscape()
      } else if byte < 0x20 {
        throw failure("a control character in a string must be escaped: \(found(at: position))")
      } else {
        try skipMultibyteScalar(lead: byte)
      }
    }
    throw failure("a string is not closed", at: start - 1)
  }

  /// Where ASCII that stands for itself ends: most bytes of most documents pass here.
  private func endOfPlainText(from start: Int) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
      var index = start
      while index < bytes.count {
        let byte = bytes[index]
        let isPlain =
          byte >= 0x20 && byte < 0x80 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
        guard isPlain else { break }
        index += 1
      }
      return index
    }
  }

  private mutating func skipEscape() throws(JSONError) {
    let start = position
    position += 1
    switch peek() {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      position += 1
    case UInt8(ascii: "u"):
      try skipUnicodeEscape(from: start)
    default:
      throw failure("an escape is followed by \(found(at: position))", at: start)
    }
  }

  private mutating func skipUnicodeEscape(from start: Int) throws(JSONError) {
    let unit = try readHexadecimal()
    guard UTF16.isSurrogate(unit) else { return }
    if UTF16.isLeadSurrogate(unit), peek() == UInt8(ascii: "\\") {
      position += 1
      if peek() == UInt8(ascii: "u"), UTF16.isTrailSurrogate(try readHexadecimal()) { return }
    }
    throw failure("half of a surrogate pair", at: start)
  }

  /// Reads `uXXXX`.
  private mutating func readHexadecimal() throws(JSONError) -> UInt16 {
    position += 1
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = peek(), let digit = hexadecimalDigit(byte) else {
        throw failure("\\u needs four hexadecimal digits, found \(found(at: position))")
      }
      unit = unit << 4 | digit
      position += 1
    }
    return unit
  }

  /// Well-formed sequences as in the Unicode Standard, table 3-7.
  private mutating func skipMultibyteScalar(lead: UInt8) throws(JSONError) {
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch lead {
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xE1...0xEC, 0xEE...0xEF: length = 3
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: throw failure("invalid UTF-8: \(found(at: position))")
    }
    for offset in 1..<length {
      let index = position + offset
      let allowed = offset == 1 ? second : 0x80...0xBF
      guard index < bytes.count, allowed.contains(bytes[index]) else {
        throw failure("invalid UTF-8: \(found(at: position)) then \(found(at: index))")
      }
    }
    position += length
  }

  // MARK: Numbers

  mutating func appendNumber() throws(JSONError) {
    let start = position
    if peek() == UInt8(ascii: "-") { position += 1 }
    if peek() == UInt8(ascii: "0") {
      position += 1
      if let byte = peek(), isDigit(byte) {
        throw failure("a number starts with a superfluous zero", at: start)
      }
    } else {
      try skipDigits(after: "'-'")
    }
    var isInteger = true
    if peek() == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      try skipDigits(after: "'.'")
    }
    if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
      try skipDigits(after: "the exponent's sign")
    }
    if isInteger && integer(in: start..<position) != nil {
      append(.integer, from: start, to: position)
      return
    }
    guard double(in: start..<position).isFinite else {
      throw failure("a number is too large for double precision", at: start)
    }
    append(.double, from: start, to: position)
  }

  private mutating func skipDigits(after place: String) throws(JSONError) {
    let start = position
    while let byte = peek(), isDigit(byte) { position += 1 }
    guard position > start else {
      throw failure("a number needs a digit after \(place), found \(found(at: position))")
    }
  }

  private func integer(in range: Range<Int>) -> Int64? {
    decodeInteger(bytes[range])
  }

  private func double(in range: Range<Int>) -> Double {
    decodeDouble(bytes[range])
  }
}

/// An integer whose syntax has been checked; nil beyond Int64.
func decodeInteger(_ digits: ArraySlice<UInt8>) -> Int64? {
  let isNegative = digits.first == UInt8(ascii: "-")
  var value: Int64 = 0
  // Counting down from zero reaches Int64.min, whose magnitude has no positive counterpart.
  for byte in digits.dropFirst(isNegative ? 1 : 0) {
    let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
    let (next, underflow) = shifted.subtractingReportingOverflow(
      Int64(byte &- UInt8(ascii: "0")))
    if overflow || underflow { return nil }
    value = next
  }
  if isNegative { return value }
  return value == .min ? nil : -value
}

/// A number whose syntax has been checked, correctly rounded; infinite beyond double's range.
func decodeDouble(_ digits: ArraySlice<UInt8>) -> Double {
  // JSON's numbers are a subset of what Double reads, so nil cannot come.
  Double(String(decoding: digits, as: UTF8.self)) ?? .nan
}

private func isDigit(_ byte: UInt8) -> Bool {
  byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
}

func hexadecimalDigit(_ byte: UInt8) -> UInt16? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt16(byte - UInt8(ascii: "0"))
  case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt16(byte - UInt8(ascii: "a") + 10)
  case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt16(byte - UInt8(ascii: "A") + 10)
  default: nil
  }
}

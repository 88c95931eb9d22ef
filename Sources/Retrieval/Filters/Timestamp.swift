// An instant read from an RFC 3339 string, so that "2024-05-01T12:00:00+02:00" and
// "2024-05-01T10:00:00Z" compare as equal. A full-date alone is its midnight in UTC.
// Refuses (nil) anything else, so that other strings keep comparing as strings.

struct Timestamp: Hashable, Comparable {
  /// Since 1970-01-01T00:00:00Z.
  let seconds: Int64
  /// The fraction of the second, in units of 10^-18.
  let attoseconds: Int64

  static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.attoseconds) < (right.seconds, right.attoseconds)
  }

  init?(_ text: String) {
    var reader = DigitReader(Array(text.utf8.prefix(64)))
    // RFC 3339, section 5.6: full-date.
    guard text.utf8.count <= 64, let year = reader.number(digits: 4), reader.skip("-"),
      let month = reader.number(digits: 2), reader.skip("-"),
      let day = reader.number(digits: 2), (1...12).contains(month),
      (1...Self.days(inMonth: month, of: year)).contains(day)
    else { return nil }
    let midnight = Self.daysSinceEpoch(year: year, month: month, day: day) * 86_400
    if reader.isAtEnd {
      self.init(seconds: Int64(midnight), attoseconds: 0)
      return
    }
    guard reader.skip("T", "t", " "), let hour = reader.number(digits: 2), hour < 24,
      reader.skip(":"), let minute = reader.number(digits: 2), minute < 60, reader.skip(":"),
      let second = reader.number(digits: 2), second <= 60,
      let fraction = reader.fraction(), let offset = reader.offset(), reader.isAtEnd
    else { return nil }
    let total = midnight + hour * 3600 + minute * 60 + second - offset
    self.init(seconds: Int64(total), attoseconds: fraction)
  }

  private init(seconds: Int64, attoseconds: Int64) {
    self.seconds = seconds
    self.attoseconds = attoseconds
  }

  private static func days(inMonth month: Int, of year: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days of the proleptic Gregorian calendar. Years start in March, so that the leap day is last.
  private static func daysSinceEpoch(year: Int, month: Int, day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let monthFromMarch = (month + 9) % 12
    // Floored, so that the year before 0000-03-01 counts right as well.
    let leapDays =
      floorDivide(shifted, 4) - floorDivide(shifted, 100) + floorDivide(shifted, 400)
    // 719,468 days from 0000-03-01 to 1970-01-01.
    return shifted * 365 + leapDays + (153 * monthFromMarch + 2) / 5 + day - 1 - 719_468
  }

  private static func floorDivide(_ value: Int, _ divisor: Int) -> Int {
    value >= 0 ? value / divisor : (value - divisor + 1) / divisor
  }
}

/// A cursor over the bytes of a timestamp.
private struct DigitReader {
  let bytes: [UInt8]
  var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  mutating func skip(_ wanted: Unicode.Scalar...) -> Bool {
    guard position < bytes.count, wanted.contains(Unicode.Scalar(bytes[position])) else {
      return false
    }
    position += 1
    return true
  }

  mutating func number(digits: Int) -> Int? {
    guard position + digits <= bytes.count else { return nil }
    var value = 0
    for byte in bytes[position..<position + digits] {
      guard byte.isASCIIDigit else { return nil }
      value = value * 10 + Int(byte - 0x30)
    }
    position += digits
    return value
  }

  /// ".25" in attoseconds, 0 where there is none; digits beyond the 18th don't count.
  mutating func fraction() -> Int64? {
    guard skip(".") else { return 0 }
    var value: Int64 = 0
    var digits = 0
    while position < bytes.count, bytes[position].isASCIIDigit {
      if digits < 18 { value = value * 10 + Int64(bytes[position] - 0x30) }
      digits += 1
      position += 1
    }
    guard digits > 0 else { return nil }
    for _ in min(digits, 18)..<18 { value *= 10 }
    return value
  }

  /// Seconds east of UTC.
  mutating func offset() -> Int? {
    if skip("Z", "z") { return 0 }
    let isWest = position < bytes.count && bytes[position] == UInt8(ascii: "-")
    guard skip("+", "-"), let hours = number(digits: 2), hours < 24, skip(":"),
      let minutes = number(digits: 2), minutes < 60
    else { return nil }
    return (hours * 3600 + minutes * 60) * (isWest ? -1 : 1)
  }
}

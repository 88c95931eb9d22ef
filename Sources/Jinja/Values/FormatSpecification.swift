// How one value is laid out by `%` and by str.format: Python's format mini-language. Relies on the
// C library for correctly rounded decimals. Refuses widths and precisions that would be absurd.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

struct FormatSpecification {
  enum Alignment { case left, right, center, afterSign }

  var fill: Unicode.Scalar = " "
  var alignment: Alignment?
  /// What stands before numbers that are not negative: "+", " " or nothing.
  var plus = ""
  var isAlternate = false
  var width = 0
  var groupSeparator: String?
  var precision: Int?
  /// The conversion, such as "d" or "f"; nil for the type's own.
  var type: Unicode.Scalar?

  /// More digits than a double has, in either direction.
  static let maximumPrecision = 400

  func format(_ value: Value, _ meter: Meter) throws(JinjaError) -> String {
    try meter.chargeText(width)
    guard (precision ?? 0) <= Self.maximumPrecision || type == "s" || type == nil else {
      throw .runtime("a format's precision exceeds \(Self.maximumPrecision)")
    }
    switch value {
    case .undefined(let undefined) where type != nil && type != "s": throw undefined.error
    case .integer, .bool, .float:
      if type == "s" { break }
      return try formatNumber(value)
    default: break
    }
    guard type == nil || type == "s" else {
      throw .runtime("unknown format code '\(type ?? " ")' for '\(value.typeName)'")
    }
    var text = try value.text(meter)
    if let precision { text = String(text.unicodeScalars.prefix(precision)) }
    return pad(text, default: .left)
  }

  // MARK: Numbers

  private func formatNumber(_ value: Value) throws(JinjaError) -> String {
    if let integer = value.integerValue {
      switch type {
      case nil, "d", "n":
        return layOut(String(integer.magnitude), isNegative: integer < 0)
      case "x", "X", "o", "b": return layOutDigits(of: integer)
      case "c":
        guard let scalar = UInt32(exactly: integer).flatMap(Unicode.Scalar.init) else {
          throw .runtime("%c needs the number of a character")
        }
        return pad(String(scalar), default: .left)
      default: break
      }
    }
    guard let number = value.floatValue else {
      return pad(try value.expectString("it"), default: .left)
    }
    return try layOut(digits(of: number.magnitude), isNegative: number.sign == .minus)
  }

  private func layOutDigits(of integer: Int) -> String {
    let radix = type == "o" ? 8 : type == "b" ? 2 : 16
    let digits = String(integer.magnitude, radix: radix, uppercase: type == "X")
    let prefix = isAlternate ? "0" + String(type ?? "x") : ""
    return layOut(prefix + digits, isNegative: integer < 0)
  }

  private func digits(of magnitude: Double) throws(JinjaError) -> String {
    guard let type else {
      guard let precision else { return pythonRepresentation(of: magnitude) }
      return decimalText(magnitude, precision: precision, conversion: "g")
    }
    switch type {
    case "%": return decimalText(magnitude * 100, precision: precision ?? 6, conversion: "f") + "%"
    case "e", "E", "f", "F", "g", "G":
      return decimalText(magnitude, precision: precision ?? 6, conversion: type)
    default: throw .runtime("unknown format code '\(type)' for a number")
    }
  }

  private func layOut(_ digits: String, isNegative: Bool) -> String {
    let sign = isNegative ? "-" : plus
    let grouped = groupSeparator.map { grouping(digits, by: $0) } ?? digits
    guard alignment == .afterSign else { return pad(sign + grouped, default: .right) }
    return sign + grouped.padded(to: width - sign.utf8.count, with: fill, .left)
  }

  /// Threes of the digits before the point, from the right.
  private func grouping(_ digits: String, by separator: String) -> String {
    let whole = digits.prefix { $0.isASCII && $0.isNumber }
    var result = ""
    for (index, digit) in whole.enumerated() {
      if index > 0, (whole.count - index) % 3 == 0 { result += separator }
      result.append(digit)
    }
    return result + digits.dropFirst(whole.count)
  }

  private func pad(_ text: String, default standard: Alignment) -> String {
    switch alignment ?? standard {
    case .left: text.padded(to: width, with: fill, .right)
    case .right, .afterSign: text.padded(to: width, with: fill, .left)
    case .center:
      // Unlike str.center, format puts the odd one on the right.
      text.padded(
        to: text.unicodeScalars.count + max(0, width - text.unicodeScalars.count) / 2,
        with: fill, .left
      ).padded(to: width, with: fill, .right)
    }
  }
}

/// A double as C's printf writes it with a precision and one of `efgEFG`, correctly rounded.
func decimalText(_ value: Double, precision: Int, conversion: Unicode.Scalar) -> String {
  // 309 digits before the point, the precision behind it, and a sign, point and exponent.
  var buffer = [CChar](repeating: 0, count: 330 + max(0, precision))
  let length = withVaList([Int32(clamping: precision), value]) {
    vsnprintf(&buffer, buffer.count, "%.*\(conversion)", $0)
  }
  let written = buffer.prefix(max(0, Int(length)))
  return String(decoding: written.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Python's `**` on floats.
func raise(_ base: Double, to exponent: Double) throws(JinjaError) -> Double {
  if base == 0, exponent < 0 {
    throw .runtime("0.0 cannot be raised to a negative power")
  }
  let result = pow(base, exponent)
  guard !result.isNaN || base.isNaN || exponent.isNaN else {
    throw .runtime("a negative number cannot be raised to a fractional power")
  }
  guard result.isFinite || !base.isFinite || !exponent.isFinite else {
    throw .runtime("numerical result out of range")
  }
  return result
}

// Values as text: Python's str() for output and repr() for what stands inside containers.
// Floats follow Python's repr: the shortest digits, an exponent from 1e16 and below 1e-4.

extension Value {
  /// What `{{ value }}` prints.
  func text(_ meter: Meter) throws(JinjaError) -> String {
    switch self {
    case .undefined: return ""
    case .string(let value): return value
    default:
      var text = ""
      try appendRepresentation(to: &text, meter)
      return text
    }
  }

  func representation(_ meter: Meter) throws(JinjaError) -> String {
    var text = ""
    try appendRepresentation(to: &text, meter)
    return text
  }

  private func appendRepresentation(to text: inout String, _ meter: Meter) throws(JinjaError) {
    try meter.step()
    switch self {
    case .undefined: text += "Undefined"
    case .none: text += "None"
    case .bool(let value): text += value ? "True" : "False"
    case .integer(let value): text += String(value)
    case .float(let value): text += pythonRepresentation(of: value)
    case .string(let value):
      try meter.chargeText(value.utf8.count)
      text += pythonRepresentation(of: value)
    case .list(let list): try append(list.items, "[", "]", to: &text, meter)
    case .tuple(let list):
      try append(list.items, "(", list.items.count == 1 ? ",)" : ")", to: &text, meter)
    case .view(let view): try append(view.items, view.name + "([", "])", to: &text, meter)
    case .dictionary(let dictionary):
      text += "{"
      for (index, member) in dictionary.members.enumerated() {
        if index > 0 { text += ", " }
        try member.key.value.appendRepresentation(to: &text, meter)
        text += ": "
        try member.value.appendRepresentation(to: &text, meter)
      }
      text += "}"
    case .range(let range): text += range.representation
    case .loop(let loop): text += "<LoopContext \(loop.index0 + 1)/\(loop.items.count)>"
    case .macro(let macro): text += "<Macro '\(macro.definition.name)'>"
    case .generator, .namespace, .function: text += "<\(typeName) object>"
    }
    try meter.checkText(text.utf8.count)
  }

  private func append(
    _ items: [Value], _ open: String, _ close: String, to text: inout String, _ meter: Meter
  ) throws(JinjaError) {
    text += open
    for (index, item) in items.enumerated() {
      if index > 0 { text += ", " }
      try item.appendRepresentation(to: &text, meter)
    }
    text += close
  }
}

/// `repr(float)`.
func pythonRepresentation(of value: Double) -> String {
  guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
  // Swift's digits are the shortest too; only where the exponent starts differs.
  var (digits, exponent) = shortestDigits(of: value.magnitude)
  let sign = value.sign == .minus ? "-" : ""
  // The decimal point stands behind this many digits.
  let point = exponent + 1
  if point > 16 || point < -3 {
    let first = digits.removeFirst()
    let fraction = digits.isEmpty ? "" : "." + digits
    let magnitude = String(exponent.magnitude)
    let padding = magnitude.utf8.count < 2 ? "0" : ""
    return "\(sign)\(first)\(fraction)e\(exponent < 0 ? "-" : "+")\(padding)\(magnitude)"
  }
  if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
  exponent = digits.utf8.count
  if point >= exponent {
    return sign + digits + String(repeating: "0", count: point - exponent) + ".0"
  }
  return sign + digits.prefix(point) + "." + digits.dropFirst(point)
}

/// The digits without leading and trailing zeros, and the power of ten of the first one.
private func shortestDigits(of magnitude: Double) -> (digits: String, exponent: Int) {
  guard magnitude != 0 else { return ("0", 0) }
  let parts = magnitude.description.split(separator: "e")
  let mantissa = parts[0].split(separator: ".")
  let whole = mantissa[0]
  let fraction = mantissa.count > 1 && mantissa[1] != "0" ? mantissa[1] : ""
  var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + whole.utf8.count - 1
  var digits = String(whole + fraction)
  let leadingZeros = digits.utf8.prefix { $0 == UInt8(ascii: "0") }.count
  digits.removeFirst(leadingZeros)
  exponent -= leadingZeros
  while digits.utf8.last == UInt8(ascii: "0") { digits.removeLast() }
  return (digits, exponent)
}

/// `repr(str)`.
func pythonRepresentation(of string: String) -> String {
  let scalars = string.unicodeScalars
  let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
  var text = String.UnicodeScalarView()
  text.append(quote)
  for scalar in scalars {
    switch scalar {
    case quote, "\\": text.append(contentsOf: ["\\", scalar])
    case "\n": text.append(contentsOf: ["\\", "n"])
    case "\r": text.append(contentsOf: ["\\", "r"])
    case "\t": text.append(contentsOf: ["\\", "t"])
    case " "..."~": text.append(scalar)
    default:
      if scalar.value >= 0x80 && scalar.isPrintable {
        text.append(scalar)
      } else {
        text.append(contentsOf: numericEscape(scalar.value).unicodeScalars)
      }
    }
  }
  text.append(quote)
  return String(text)
}

private func numericEscape(_ code: UInt32) -> String {
  switch code {
  case 0..<0x100: "\\x" + hexadecimal(code, width: 2)
  case 0..<0x10000: "\\u" + hexadecimal(code, width: 4)
  default: "\\U" + hexadecimal(code, width: 8)
  }
}

extension Unicode.Scalar {
  /// `str.isprintable` for one character.
  fileprivate var isPrintable: Bool {
    switch properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator, .spaceSeparator:
      false
    default: true
    }
  }
}

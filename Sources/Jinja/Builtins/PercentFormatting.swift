// `"%s: %05.2f" % (name, value)`: Python's printf-style formatting, also the `format` filter.

/// The template with its directives filled from a tuple, a dictionary or a single value.
func formatPercent(
  _ template: String, _ values: Value, _ meter: Meter
) throws(JinjaError) -> String {
  var formatter = PercentFormatter(template, values: values, meter: meter)
  return try formatter.format()
}

private struct PercentFormatter {
  private var rest: Substring.UnicodeScalarView
  private let arguments: Value
  private let meter: Meter
  private var queue: ArraySlice<Value>
  private var output = ""

  init(_ template: String, values: Value, meter: Meter) {
    rest = template.unicodeScalars[...]
    arguments = values
    self.meter = meter
    if case .tuple(let list) = values { queue = list.items[...] } else { queue = [values] }
  }

  mutating func format() throws(JinjaError) -> String {
    try meter.chargeText(rest.count)
    while let scalar = rest.popFirst() {
      if scalar != "%" {
        output.unicodeScalars.append(scalar)
      } else if rest.first == "%" {
        rest.removeFirst()
        output += "%"
      } else {
        try appendDirective()
      }
      try meter.checkText(output.utf8.count)
    }
    if case .tuple = arguments, !queue.isEmpty {
      throw .runtime("not all arguments converted during string formatting")
    }
    if queue.count == 1, !isMapping, !isDictionaryLike {
      throw .runtime("not all arguments converted during string formatting")
    }
    return output
  }

  private var isMapping = false

  /// Python lets a dictionary, a list or an undefined value go unused.
  private var isDictionaryLike: Bool {
    switch arguments {
    case .dictionary, .list: true
    default: false
    }
  }

  private mutating func next() throws(JinjaError) -> Value {
    guard let value = queue.popFirst() else {
      throw .runtime("not enough arguments for format string")
    }
    return value
  }

  private mutating func appendDirective() throws(JinjaError) {
    let key = try takeKey()
    var specification = FormatSpecification()
    takeFlags(into: &specification)
    specification.width = try takeNumber() ?? 0
    if rest.first == "." {
      rest.removeFirst()
      specification.precision = try takeNumber() ?? 0
    }
    guard let conversion = rest.popFirst() else { throw .runtime("incomplete format") }
    let value = if let key { try member(key) } else { try next() }
    specification.alignment = specification.alignment ?? .right
    output += try text(of: value, conversion, specification)
  }

  private mutating func takeKey() throws(JinjaError) -> String? {
    guard rest.first == "(" else { return nil }
    rest.removeFirst()
    let key = rest.prefix { $0 != ")" }
    guard key.endIndex < rest.endIndex else { throw .runtime("incomplete format key") }
    rest = rest[rest.index(after: key.endIndex)...]
    isMapping = true
    return String(key)
  }

  private func member(_ key: String) throws(JinjaError) -> Value {
    guard case .dictionary(let dictionary) = arguments else {
      throw .runtime("format requires a mapping")
    }
    guard let value = dictionary[key] else { throw .runtime("no value for key '\(key)'") }
    return value
  }

  private mutating func takeFlags(into specification: inout FormatSpecification) {
    while let flag = rest.first {
      switch flag {
      case "-": specification.alignment = .left
      case "+": specification.plus = "+"
      case " ": if specification.plus.isEmpty { specification.plus = " " }
      case "#": specification.isAlternate = true
      case "0":
        if specification.alignment == nil {
          (specification.alignment, specification.fill) = (.afterSign, "0")
        }
      default: return
      }
      rest.removeFirst()
    }
  }

  private mutating func takeNumber() throws(JinjaError) -> Int? {
    if rest.first == "*" {
      rest.removeFirst()
      guard let width = try next().integerValue, width >= 0 else {
        throw .runtime("* wants a natural number")
      }
      return width
    }
    let digits = rest.prefix(while: \.isDigit)
    guard !digits.isEmpty else { return nil }
    rest = rest[digits.endIndex...]
    guard let number = Int(String(digits)) else { throw .runtime("a width is too large") }
    return number
  }

  private func text(
    of value: Value, _ conversion: Unicode.Scalar, _ specification: FormatSpecification
  ) throws(JinjaError) -> String {
    var specification = specification
    if specification.alignment == .left { specification.fill = " " }
    switch conversion {
    case "s", "r", "a":
      if specification.alignment == .afterSign {
        (specification.alignment, specification.fill) = (.right, " ")
      }
      specification.type = "s"
      let text = conversion == "s" ? try value.text(meter) : try value.representation(meter)
      return try specification.format(.string(text), meter)
    case "d", "i", "u":
      specification.type = "d"
      specification.precision = nil
      return try specification.format(try number(value, truncating: true), meter)
    case "x", "X", "o", "c":
      specification.type = conversion
      if conversion == "c", case .string(let text) = value, text.unicodeScalars.count == 1 {
        specification.type = "s"
        return try specification.format(value, meter)
      }
      return try specification.format(try number(value, truncating: false), meter)
    case "e", "E", "f", "F", "g", "G":
      specification.type = conversion
      return try specification.format(try number(value, truncating: false), meter)
    default: throw .runtime("unsupported format character '\(conversion)'")
    }
  }

  private func number(_ value: Value, truncating: Bool) throws(JinjaError) -> Value {
    if case .undefined(let undefined) = value { throw undefined.error }
    if let integer = value.integerValue { return .integer(integer) }
    guard let number = value.floatValue else {
      throw .runtime("a number is required, not \(value.typeName)")
    }
    guard truncating else { return value }
    guard let integer = Int(exactly: number.rounded(.towardZero)) else {
      throw .runtime("cannot convert \(pythonRepresentation(of: number)) to an integer")
    }
    return .integer(integer)
  }
}

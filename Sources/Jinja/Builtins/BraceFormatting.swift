// `"{} {name!r:>8}".format(...)`: Python's str.format without look-ups inside fields, which the
// sandbox has to guard and templates do not use.

func formatBraces(
  _ template: String, _ arguments: CallArguments, _ meter: Meter
) throws(JinjaError) -> String {
  var formatter = BraceFormatter(template, arguments: arguments, meter: meter)
  return try formatter.format()
}

private struct BraceFormatter {
  private var rest: Substring.UnicodeScalarView
  private let arguments: CallArguments
  private let meter: Meter
  private var nextPosition = 0
  private var output = ""

  init(_ template: String, arguments: CallArguments, meter: Meter) {
    rest = template.unicodeScalars[...]
    self.arguments = arguments
    self.meter = meter
  }

  mutating func format() throws(JinjaError) -> String {
    try meter.chargeText(rest.count)
    while let scalar = rest.popFirst() {
      if scalar != "{" && scalar != "}" {
        output.unicodeScalars.append(scalar)
      } else if rest.first == scalar {
        rest.removeFirst()
        output.unicodeScalars.append(scalar)
      } else if scalar == "{" {
        try appendField()
      } else {
        throw .runtime("single '}' encountered in format string")
      }
      try meter.checkText(output.utf8.count)
    }
    return output
  }

  private mutating func appendField() throws(JinjaError) {
    let field = rest.prefix { $0 != "}" }
    guard field.endIndex < rest.endIndex else {
      throw .runtime("expected '}' before end of string")
    }
    rest = rest[rest.index(after: field.endIndex)...]
    let name = field.prefix { $0 != "!" && $0 != ":" }
    var options = field[name.endIndex...]
    var value = try argument(String(name))
    if options.first == "!" {
      options.removeFirst()
      switch options.popFirst() {
      case "r", "a": value = .string(try value.representation(meter))
      case "s": value = .string(try value.text(meter))
      default: throw .runtime("unknown conversion in a format field")
      }
    }
    if options.first == ":" { options.removeFirst() }
    output += try specification(options).format(value, meter)
  }

  private mutating func argument(_ name: String) throws(JinjaError) -> Value {
    guard !name.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "[") }) else {
      throw .runtime("format fields cannot look inside of their arguments")
    }
    var index = Int(name)
    if name.isEmpty {
      index = nextPosition
      nextPosition += 1
    }
    if let index {
      guard arguments.positional.indices.contains(index) else {
        throw .runtime("format needs an argument \(index)")
      }
      return arguments.positional[index]
    }
    guard let value = arguments.named(name) else {
      throw .runtime("format needs an argument '\(name)'")
    }
    return value
  }

  /// `[[fill]align][sign][#][0][width][,][.precision][type]`
  private func specification(
    _ text: Substring.UnicodeScalarView
  ) throws(JinjaError) -> FormatSpecification {
    var specification = FormatSpecification()
    var rest = text
    if let second = rest.dropFirst().first, let alignment = alignment(second) {
      specification.fill = rest.removeFirst()
      specification.alignment = alignment
      rest.removeFirst()
    } else if let alignment = rest.first.flatMap(alignment) {
      specification.alignment = alignment
      rest.removeFirst()
    }
    if let sign = rest.first, sign == "+" || sign == "-" || sign == " " {
      specification.plus = sign == "-" ? "" : String(sign)
      rest.removeFirst()
    }
    if rest.first == "#" {
      specification.isAlternate = true
      rest.removeFirst()
    }
    if rest.first == "0", specification.alignment == nil {
      (specification.fill, specification.alignment) = ("0", .afterSign)
    }
    specification.width = try takeNumber(&rest) ?? 0
    if let separator = rest.first, separator == "," || separator == "_" {
      specification.groupSeparator = String(separator)
      rest.removeFirst()
    }
    if rest.first == "." {
      rest.removeFirst()
      guard let precision = try takeNumber(&rest) else {
        throw .runtime("format specifier missing precision")
      }
      specification.precision = precision
    }
    specification.type = rest.popFirst()
    guard rest.isEmpty else { throw .runtime("invalid format specifier '\(String(text))'") }
    return specification
  }

  private func alignment(_ scalar: Unicode.Scalar) -> FormatSpecification.Alignment? {
    switch scalar {
    case "<": .left
    case ">": .right
    case "^": .center
    case "=": .afterSign
    default: nil
    }
  }

  private func takeNumber(_ rest: inout Substring.UnicodeScalarView) throws(JinjaError) -> Int? {
    let digits = rest.prefix(while: \.isDigit)
    guard !digits.isEmpty else { return nil }
    rest = rest[digits.endIndex...]
    guard let number = Int(String(digits)) else { throw .runtime("a width is too large") }
    return number
  }
}

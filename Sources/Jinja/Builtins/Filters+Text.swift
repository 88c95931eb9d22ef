// Filters that make text of text. Like Jinja2's, they take any value and start from its str().

extension Filters {
  static let text: [String: FilterBody] = [
    "string": onText { $0 }, "safe": onText { $0 },
    "upper": onText { $0.uppercased() },
    "lower": onText { $0.lowercased() },
    "capitalize": onText { $0.pythonCapitalized },
    "title": onText { titled($0) },
    "e": onText { escaped($0) }, "escape": onText { escaped($0) },
    "forceescape": onText { escaped($0) },
    "urlencode": onText { percentEncoded($0) },
    "trim": { (value, arguments, interpreter) throws(JinjaError) in
      let characters = try arguments.bound(to: "chars").string(0)
      return .string(try value.text(interpreter.meter).strippingScalars(characters))
    },
    "replace": { (value, arguments, interpreter) throws(JinjaError) in
      let meter = interpreter.meter
      let bound = try arguments.bound(to: "old", "new", "count")
      return .string(
        try StringMethods.replace(
          try value.text(meter), try bound.required(0).text(meter),
          with: try bound.required(1).text(meter), limit: try bound.integer(2), meter))
    },
    "indent": indent, "truncate": truncate,
    "center": { (value, arguments, interpreter) throws(JinjaError) in
      let width = try arguments.bound(to: "width").integer(0) ?? 80
      try interpreter.meter.chargeText(max(0, width))
      return .string(try value.text(interpreter.meter).padded(to: width, .both))
    },
    "wordcount": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      return .integer(wordCount(try value.text(interpreter.meter)))
    },
    "format": { (value, arguments, interpreter) throws(JinjaError) in
      guard arguments.positional.isEmpty || arguments.named.isEmpty else {
        throw .runtime("can't handle positional and keyword arguments at the same time")
      }
      var members = Dictionary.Members()
      for (name, value) in arguments.named { members[HashableValue(name)] = value }
      let values: Value =
        members.isEmpty
        ? try .tuple(arguments.positional) : .dictionary(try Dictionary(members))
      let template = try value.text(interpreter.meter)
      return .string(try formatPercent(template, values, interpreter.meter))
    },
  ]

  private static func onText(_ transform: @escaping @Sendable (String) -> String) -> FilterBody {
    { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      let text = try value.text(interpreter.meter)
      try interpreter.meter.chargeText(text.utf8.count)
      return .string(transform(text))
    }
  }

  /// Words as Jinja2's title cuts them: at whitespace, hyphens and opening brackets.
  private static func titled(_ text: String) -> String {
    var result = ""
    var startsWord = true
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      result += startsWord ? properties.uppercaseMapping : properties.lowercaseMapping
      startsWord = scalar.isPythonWhitespace || "-({[<".unicodeScalars.contains(scalar)
    }
    return result
  }

  private static func escaped(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&#34;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }

  private static func percentEncoded(_ text: String) -> String {
    text.utf8.reduce(into: "") { result, byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
        UInt8(ascii: "-"), UInt8(ascii: "~"), UInt8(ascii: "/"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default: result += "%" + hexadecimal(byte, width: 2).uppercased()
      }
    }
  }

  /// Runs of letters, digits and underscores.
  private static func wordCount(_ text: String) -> Int {
    var count = 0
    var isInsideWord = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      let isWordPart = scalar == "_" || properties.isAlphabetic || properties.numericType != nil
      if isWordPart && !isInsideWord { count += 1 }
      isInsideWord = isWordPart
    }
    return count
  }

  private static let indent: FilterBody = { (value, arguments, interpreter) throws(JinjaError) in
    let meter = interpreter.meter
    let bound = try arguments.bound(to: "width", "first", "blank")
    let text = try value.text(meter)
    let indentation: String
    if case .string(let prefix) = bound[0] {
      indentation = prefix
    } else {
      let width = max(0, try bound.integer(0) ?? 4)
      try meter.chargeText(width)
      indentation = String(repeating: " ", count: width)
    }
    // The line break behind it is Jinja2's: what follows the last line break is a line, too.
    let lines = (text + "\n").splittingLines(keepEnds: false, limit: meter.limits.items)
    try meter.chargeItems(lines.count)
    let (growth, overflow) = lines.count.multipliedReportingOverflow(by: indentation.utf8.count + 1)
    try meter.chargeText(overflow ? .max : growth)
    try meter.chargeText(text.utf8.count)
    var result = bound.isTrue(1) ? indentation : ""
    for (index, line) in lines.enumerated() {
      if index > 0 { result += "\n" + (line.isEmpty && !bound.isTrue(2) ? "" : indentation) }
      result += line
    }
    return .string(result)
  }

  private static let truncate: FilterBody = { (value, arguments, interpreter) throws(JinjaError) in
    let bound = try arguments.bound(to: "length", "killwords", "end", "leeway")
    let text = try value.text(interpreter.meter)
    let length = try bound.integer(0) ?? 255
    let end = try bound.string(2) ?? "..."
    let leeway = try bound.integer(3) ?? 5
    let scalars = text.unicodeScalars
    guard length >= end.unicodeScalars.count, leeway >= 0 else {
      throw .runtime("length must hold the end mark, and leeway be 0 or more")
    }
    let (limit, overflow) = length.addingReportingOverflow(leeway)
    if overflow || scalars.count <= limit { return .string(text) }
    let kept = String(scalars.prefix(length - end.unicodeScalars.count))
    if bound.isTrue(1) { return .string(kept + end) }
    return .string(kept.splittingFromEnd(by: " ", limit: 1)[0] + end)
  }
}

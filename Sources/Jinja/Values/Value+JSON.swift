// From the JSON of a request to template values, and the `tojson` filter: Python's json.dumps as
// transformers calls it (ensure_ascii=False, ", " and ": " between items, members in order).
// Refuses what json.dumps refuses: undefined values, functions, generators, namespaces.

import JSON

extension Value {
  init(_ json: JSONValue) throws(JinjaError) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(Int(value))
    case .double(let value): self = .float(value)
    case .string(let value): self = .string(value)
    case .array(let elements):
      var items: [Value] = []
      items.reserveCapacity(elements.count)
      for element in elements { items.append(try Value(element)) }
      self = try .list(items)
    case .object(let object):
      var members = Dictionary.Members(minimumCapacity: object.count)
      for (name, value) in object { members[HashableValue(name)] = try Value(value) }
      self = .dictionary(try Dictionary(members))
    }
  }
}

/// The arguments of json.dumps.
struct JSONFormat {
  var ensureASCII = false
  /// What a level is indented with; nil for one line.
  var indent: String?
  var itemSeparator = ", "
  var keySeparator = ": "
  var sortKeys = false
}

struct JSONDumper {
  let format: JSONFormat
  let meter: Meter
  private(set) var text = ""
  private var depth = 0

  init(format: JSONFormat, meter: Meter) {
    self.format = format
    self.meter = meter
  }

  mutating func append(_ value: Value) throws(JinjaError) {
    try meter.step()
    switch value {
    case .none: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .float(let value): text += jsonText(value)
    case .string(let value): try appendQuoted(value)
    case .list(let list), .tuple(let list): try append(list.items)
    case .dictionary(let dictionary): try append(dictionary.members)
    default: throw .runtime("object of type \(value.typeName) is not JSON serializable")
    }
    try meter.checkText(text.utf8.count)
  }

  private func jsonText(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return pythonRepresentation(of: value)
  }

  private mutating func append(_ items: [Value]) throws(JinjaError) {
    guard !items.isEmpty else {
      text += "[]"
      return
    }
    text += "["
    depth += 1
    for (index, item) in items.enumerated() {
      if index > 0 { text += format.itemSeparator }
      appendLineBreak()
      try append(item)
    }
    depth -= 1
    appendLineBreak()
    text += "]"
  }

  private mutating func append(_ members: Dictionary.Members) throws(JinjaError) {
    guard !members.isEmpty else {
      text += "{}"
      return
    }
    text += "{"
    depth += 1
    for (index, member) in try ordered(members).enumerated() {
      if index > 0 { text += format.itemSeparator }
      appendLineBreak()
      try appendQuoted(try key(member.key.value))
      text += format.keySeparator
      try append(member.value)
    }
    depth -= 1
    appendLineBreak()
    text += "}"
  }

  private func ordered(
    _ members: Dictionary.Members
  ) throws(JinjaError) -> [(key: HashableValue, value: Value)] {
    let items = members.elements.map { (key: $0.key, value: $0.value) }
    guard format.sortKeys else { return items }
    return try stablySorted(items) { (left, right) throws(JinjaError) in
      try left.key.value.isLess(than: right.key.value)
    }
  }

  private func key(_ value: Value) throws(JinjaError) -> String {
    switch value {
    case .string(let name): return name
    case .none: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .integer(let value): return String(value)
    case .float(let value): return jsonText(value)
    default:
      throw .runtime("keys must be str, int, float, bool or None, not \(value.typeName)")
    }
  }

  private mutating func appendLineBreak() {
    guard let indent = format.indent else { return }
    text += "\n" + String(repeating: indent, count: depth)
  }

  private mutating func appendQuoted(_ string: String) throws(JinjaError) {
    try meter.chargeText(string.utf8.count)
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{08}": text += "\\b"
      case "\u{0C}": text += "\\f"
      default:
        if scalar.value < 0x20 || (format.ensureASCII && scalar.value > 0x7E) {
          for unit in String(scalar).utf16 { text += "\\u" + hexadecimal(unit, width: 4) }
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    text += "\""
  }
}

/// Lowercase hexadecimal digits with leading zeros.
func hexadecimal(_ value: some BinaryInteger, width: Int) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}

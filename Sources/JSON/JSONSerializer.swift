// Writes values as RFC 8259 text: the shortest digits that read back as the same double, only
// the escapes that the RFC demands, members in their order. Pretty means two spaces a level.
// Refuses nothing: a double that is not finite becomes null, JSONWriter is the strict one.

struct JSONSerializer {
  let pretty: Bool
  private(set) var bytes: [UInt8] = []
  private var depth = 0

  init(pretty: Bool) { self.pretty = pretty }

  mutating func append(_ value: JSONValue) {
    switch value {
    case .null: append("null")
    case .bool(let value): append(value ? "true" : "false")
    case .integer(let value): append(String(value))
    case .double(let value): append(value.isFinite ? value.description : "null")
    case .string(let value): appendQuoted(value)
    case .array(let elements):
      appendItems(elements, open: "[", close: "]") { writer, element in writer.append(element) }
    case .object(let members):
      appendItems(members.elements, open: "{", close: "}") { writer, member in
        writer.appendQuoted(member.key)
        writer.append(writer.pretty ? ": " : ":")
        writer.append(member.value)
      }
    }
  }

  private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

  private mutating func appendItems<Items: Collection>(
    _ items: Items, open: String, close: String,
    item: (inout JSONSerializer, Items.Element) -> Void
  ) {
    append(open)
    depth += 1
    var isFirst = true
    for element in items {
      if !isFirst { append(",") }
      isFirst = false
      appendLineBreak()
      item(&self, element)
    }
    depth -= 1
    if !isFirst { appendLineBreak() }
    append(close)
  }

  private mutating func appendLineBreak() {
    guard pretty else { return }
    bytes.append(UInt8(ascii: "\n"))
    bytes.append(contentsOf: repeatElement(UInt8(ascii: " "), count: 2 * depth))
  }

  private mutating func appendQuoted(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      if byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") {
        bytes.append(byte)
      } else {
        appendEscaped(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func appendEscaped(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): append("\\\"")
    case UInt8(ascii: "\\"): append("\\\\")
    case 0x08: append("\\b")
    case 0x09: append("\\t")
    case 0x0A: append("\\n")
    case 0x0C: append("\\f")
    case 0x0D: append("\\r")
    default: append((byte < 0x10 ? "\\u000" : "\\u00") + String(byte, radix: 16))
    }
  }
}

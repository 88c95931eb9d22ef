// The literal text of a Jinja template: what stands outside of its tags, and the string constants in
// them. An added token found there is one that the template writes, so it steers the conversation.

enum TemplateLiterals {
  /// All literals, a NUL between them so that nothing is found across two.
  static func text(of source: String) -> String {
    var scanner = Scanner(source: Array(source.utf8))
    return String(decoding: scanner.literals(), as: UTF8.self)
  }

  private struct Scanner {
    let source: [UInt8]
    var position = 0
    var output: [UInt8] = []

    init(source: [UInt8]) { self.source = source }

    mutating func literals() -> [UInt8] {
      while position < source.count {
        switch (byte(0), byte(1)) {
        case (UInt8(ascii: "{"), UInt8(ascii: "#")): skipComment()
        case (UInt8(ascii: "{"), UInt8(ascii: "{")): readTag(closedBy: UInt8(ascii: "}"))
        case (UInt8(ascii: "{"), UInt8(ascii: "%")): readTag(closedBy: UInt8(ascii: "%"))
        default:
          output.append(source[position])
          position += 1
        }
      }
      return output
    }

    private func byte(_ offset: Int) -> UInt8? {
      position + offset < source.count ? source[position + offset] : nil
    }

    private mutating func skipComment() {
      position += 2
      while position < source.count {
        if byte(0) == UInt8(ascii: "#"), byte(1) == UInt8(ascii: "}") { break }
        position += 1
      }
      position += 2
      output.append(0)
    }

    private mutating func readTag(closedBy closing: UInt8) {
      position += 2
      output.append(0)
      while let current = byte(0) {
        if current == closing, byte(1) == UInt8(ascii: "}") { break }
        position += 1
        if current == UInt8(ascii: "\"") || current == UInt8(ascii: "'") {
          readString(endedBy: current)
        }
      }
      position += 2
    }

    private mutating func readString(endedBy quote: UInt8) {
      while let current = byte(0), current != quote {
        position += 1
        if current == UInt8(ascii: "\\"), let escaped = byte(0) {
          position += 1
          output.append(escaped == UInt8(ascii: "n") ? 0x0A : escaped)
        } else {
          output.append(current)
        }
      }
      position += 1
      output.append(0)
    }
  }
}

// Splits a template into text and tags with Jinja2's whitespace rules (jinja2/lexer.py) for
// trim_blocks and lstrip_blocks: `-` strips all whitespace on its side of a tag, `+` keeps it, the
// newline after a block or comment goes, as does indentation before one that starts its line.
// Relies on nothing; refuses unclosed tags and sources beyond 1 MiB.

struct TemplateLexer {
  static let maximumSourceBytes = 1 << 20

  let source: [Unicode.Scalar]
  var position = 0
  var line = 1
  var output: [Token] = []
  /// Whether the last tag ended with a newline, so that the next text begins a line.
  private var isAtLineStart = true

  init(_ text: String) throws(JinjaError) {
    guard text.utf8.count <= Self.maximumSourceBytes else {
      throw .syntax("the template is larger than 1 MiB", line: 1)
    }
    var scalars = normalizingNewlines(text)
    // As Jinja2 without keep_trailing_newline.
    if scalars.last == "\n" { scalars.removeLast() }
    source = scalars
  }

  consuming func tokens() throws(JinjaError) -> [Token] {
    while position < source.count { try lexTextAndTag() }
    append(.end)
    return output
  }

  mutating func append(_ kind: Token.Kind) { output.append(Token(kind: kind, line: line)) }

  /// Moves on, counting lines.
  mutating func advance(to end: Int) {
    for index in position..<end where source[index] == "\n" { line += 1 }
    position = end
  }

  func matches(_ text: StaticString, at index: Int) -> Bool {
    let length = text.utf8CodeUnitCount
    guard index + length <= source.count else { return false }
    return (0..<length).allSatisfy { source[index + $0].value == UInt32(text.utf8Start[$0]) }
  }

  func skippingWhitespace(from index: Int) -> Int {
    var index = index
    while index < source.count, source[index].isPythonWhitespace { index += 1 }
    return index
  }

  // MARK: Tags

  private enum Tag {
    case variable, block, comment
    case raw(end: Int)
  }

  /// Text up to the next tag, and the tag.
  private mutating func lexTextAndTag() throws(JinjaError) {
    var start = position
    var tag: Tag?
    while start < source.count {
      tag = tagKind(at: start)
      if tag != nil { break }
      start += 1
    }
    guard let tag else {
      appendText(from: position, to: source.count)
      advance(to: source.count)
      return
    }
    let sign = start + 2 < source.count ? source[start + 2] : " "
    let isVariable = if case .variable = tag { true } else { false }
    appendText(from: position, to: textEnd(start, sign: sign, lstrip: !isVariable))
    advance(to: start + (sign == "-" || sign == "+" ? 3 : 2))
    let tagLine = line
    switch tag {
    case .variable: try lexExpressionTag(isBlock: false)
    case .block: try lexExpressionTag(isBlock: true)
    case .comment: try skipComment(line: tagLine)
    case .raw(let end):
      advance(to: end)
      isAtLineStart = end > 0 && source[end - 1] == "\n"
      try lexRaw(line: tagLine)
    }
    isAtLineStart = position > 0 && source[position - 1] == "\n"
  }

  private func tagKind(at index: Int) -> Tag? {
    guard source[index] == "{" else { return nil }
    if matches("{{", at: index) { return .variable }
    if matches("{#", at: index) { return .comment }
    guard matches("{%", at: index) else { return nil }
    guard let name = tagName("raw", at: index) else { return .block }
    if matches("-%}", at: name) { return .raw(end: skippingWhitespace(from: name + 3)) }
    return matches("%}", at: name) ? .raw(end: name + 2) : .block
  }

  /// Where a block tag with nothing but this name continues behind the name and whitespace.
  private func tagName(_ name: StaticString, at index: Int) -> Int? {
    var index = index + 2
    if index < source.count, source[index] == "-" || source[index] == "+" { index += 1 }
    index = skippingWhitespace(from: index)
    guard matches(name, at: index) else { return nil }
    return skippingWhitespace(from: index + name.utf8CodeUnitCount)
  }

  /// Where the text before a tag ends once its trailing whitespace is dealt with.
  private func textEnd(_ tagStart: Int, sign: Unicode.Scalar, lstrip: Bool) -> Int {
    var end = tagStart
    if sign == "-" {
      while end > position, source[end - 1].isPythonWhitespace { end -= 1 }
      return end
    }
    guard lstrip, sign != "+" else { return tagStart }
    while end > position, source[end - 1] != "\n" {
      guard source[end - 1].isPythonWhitespace else { return tagStart }
      end -= 1
    }
    let startsLine = end > position || isAtLineStart
    return startsLine ? end : tagStart
  }

  private mutating func appendText(from start: Int, to end: Int) {
    guard start < end else { return }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: source[start..<end])
    append(.text(String(text)))
  }

  /// Where a block or comment's end at `index` leaves off; nil where there is none.
  func tagEnd(_ close: StaticString, at index: Int) -> Int? {
    let length = close.utf8CodeUnitCount
    if matches(close, at: index) {
      let end = index + length
      return matches("\n", at: end) ? end + 1 : end
    }
    guard index < source.count, matches(close, at: index + 1) else { return nil }
    if source[index] == "+" { return index + 1 + length }
    return source[index] == "-" ? skippingWhitespace(from: index + 1 + length) : nil
  }

  private mutating func skipComment(line start: Int) throws(JinjaError) {
    for index in position..<max(position, source.count) {
      if let end = tagEnd("#}", at: index) {
        advance(to: end)
        return
      }
    }
    throw .syntax("a comment is not closed", line: start)
  }

  private mutating func lexRaw(line start: Int) throws(JinjaError) {
    for index in position..<max(position, source.count) where matches("{%", at: index) {
      guard let name = tagName("endraw", at: index), let end = tagEnd("%}", at: name) else {
        continue
      }
      appendText(from: position, to: textEnd(index, sign: source[index + 2], lstrip: true))
      advance(to: end)
      return
    }
    throw .syntax("a raw block is not closed", line: start)
  }
}

/// The text with "\r\n" and "\r" as "\n".
private func normalizingNewlines(_ text: String) -> [Unicode.Scalar] {
  var scalars: [Unicode.Scalar] = []
  scalars.reserveCapacity(text.utf8.count)
  var previous: Unicode.Scalar = " "
  for scalar in text.unicodeScalars {
    if scalar == "\r" {
      scalars.append("\n")
    } else if scalar != "\n" || previous != "\r" {
      scalars.append(scalar)
    }
    previous = scalar
  }
  return scalars
}

// libxml2's trees of HTML and XML, and what extractors ask of their nodes. Relies on libxml2 for safety:
// its depth and size limits hold for XML; nothing is fetched and no entity of a document is expanded.
// Nodes live as long as the closure that gets them.

import CXML2

typealias MarkupNode = UnsafeMutablePointer<xmlNode>

enum MarkupTree {
  private static let initialized: Void = xmlInitParser()

  /// A tree takes some 200 bytes for each tag, whatever is in it.
  private static let maximumByteCount = 64 << 20
  private static let maximumTagCount = 2_000_000

  /// - Parameter body: gets the root; nil for a text without any
  static func withHTML<R>(
    _ text: String, _ body: (MarkupNode?) throws(DocumentError) -> R
  ) throws(DocumentError) -> R {
    // HTML has no NUL, and libxml2 would take one for the end.
    let text = text.utf8.contains(0) ? text.replacing("\0", with: "\u{FFFD}") : text
    let options =
      HTML_PARSE_RECOVER.rawValue | HTML_PARSE_NOERROR.rawValue | HTML_PARSE_NOWARNING.rawValue
      | HTML_PARSE_NONET.rawValue | HTML_PARSE_COMPACT.rawValue | XML_PARSE_HUGE.rawValue
    return try withDocument(
      text.utf8, parse: { htmlReadMemory($0, $1, nil, "UTF-8", Int32(options)) }, body)
  }

  /// - Parameters:
  ///   - subject: what is being read, for errors
  ///   - body: gets the root
  static func withXML<R>(
    _ bytes: [UInt8], subject: String, _ body: (MarkupNode) throws(DocumentError) -> R
  ) throws(DocumentError) -> R {
    let options =
      XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue | XML_PARSE_NONET.rawValue
      | XML_PARSE_NOCDATA.rawValue | XML_PARSE_COMPACT.rawValue
    return try withDocument(
      bytes, parse: { xmlReadMemory($0, $1, nil, nil, Int32(options)) },
      { (root: MarkupNode?) throws(DocumentError) in
        guard let root else {
          throw .invalidRequest(field: "body", message: "\(subject) is no well-formed XML")
        }
        return try body(root)
      })
  }

  private static func withDocument<R>(
    _ bytes: some Collection<UInt8>, parse: (UnsafePointer<CChar>, Int32) -> xmlDocPtr?,
    _ body: (MarkupNode?) throws(DocumentError) -> R
  ) throws(DocumentError) -> R {
    _ = initialized
    let count = bytes.count
    guard count <= maximumByteCount,
      bytes.count(where: { $0 == UInt8(ascii: "<") }) <= maximumTagCount
    else {
      throw .documentTooLarge(
        message: """
          it has more than \(maximumByteCount >> 20) MiB or \(maximumTagCount) tags of markup; split it
          """)
    }
    let signed = bytes.map { CChar(bitPattern: $0) }
    let document = signed.withUnsafeBufferPointer { buffer in
      buffer.baseAddress.flatMap { parse($0, Int32(count)) }
    }
    defer { xmlFreeDoc(document) }
    return try body(document.flatMap { xmlDocGetRootElement($0) })
  }
}

extension MarkupNode {
  /// The name of an element without its prefix; nil for text and all else.
  var elementName: String? {
    guard pointee.type == XML_ELEMENT_NODE, let name = pointee.name else { return nil }
    return String(cString: name)
  }

  /// What a text node holds.
  var ownText: String? {
    guard pointee.type == XML_TEXT_NODE || pointee.type == XML_CDATA_SECTION_NODE,
      let content = pointee.content
    else { return nil }
    return String(cString: content)
  }

  /// By its name without prefix.
  func attribute(_ name: String) -> String? {
    var next = pointee.properties
    while let attribute = next {
      if let found = attribute.pointee.name, String(cString: found) == name {
        guard let children = attribute.pointee.children else { return "" }
        return children.siblings.compactMap(\.ownText).joined()
      }
      next = attribute.pointee.next
    }
    return nil
  }

  /// This node and those after it.
  var siblings: some Sequence<MarkupNode> { sequence(first: self) { $0.pointee.next } }

  var elements: [MarkupNode] {
    guard let first = pointee.children else { return [] }
    return first.siblings.filter { $0.pointee.type == XML_ELEMENT_NODE }
  }

  func element(_ name: String) -> MarkupNode? { elements.first { $0.elementName == name } }

  /// The elements of this name below this one, in their order, however deep.
  func descendants(_ name: String) -> [MarkupNode] {
    var found: [MarkupNode] = []
    walk(
      enter: { node in
        if node.elementName == name { found.append(node) }
        return true
      }, leave: { _ in })
    return found
  }

  /// All text below it.
  var allText: String {
    var text = ""
    walk(
      enter: { node in
        if let own = node.ownText { text += own }
        return true
      }, leave: { _ in })
    return text
  }

  /// Visits this node and everything below it without recursion: HTML may be nested at will.
  /// - Parameter enter: whether to visit what is inside
  func walk(enter: (MarkupNode) -> Bool, leave: (MarkupNode) -> Void) {
    var node = self
    while true {
      if enter(node), let child = node.pointee.children {
        node = child
        continue
      }
      while true {
        leave(node)
        if node == self { return }
        if let next = node.pointee.next {
          node = next
          break
        }
        guard let parent = node.pointee.parent else { return }
        node = parent
      }
    }
  }
}

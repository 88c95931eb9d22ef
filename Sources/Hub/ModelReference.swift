// A model on the hub as a person names it: `organisation/name`, with `@revision` (a branch, tag or
// commit) and `:variant` (a quantisation among GGUF files) as they wish, or the address of its page.
// Refuses what can't be a name there, so that it is safe in URLs and as a name of files.

package struct ModelReference: Sendable, Hashable {
  /// `organisation/name`, or one word for the hub's oldest models.
  package let name: String
  package let variant: String?
  package let revision: String

  package static let defaultRevision = "main"

  private static let prefixes = [
    "https://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/", "hf://",
  ]

  package init(_ text: String) throws(HubError) {
    let prefix = Self.prefixes.first { text.hasPrefix($0) } ?? ""
    var rest = text.dropFirst(prefix.count)
    let name = String(rest.prefix { $0 != ":" && $0 != "@" })
    rest = rest.dropFirst(name.count)
    var parts: [Character: String] = [:]
    while let mark = rest.popFirst() {
      let part = rest.prefix { $0 != ":" && $0 != "@" }
      guard parts.updateValue(String(part), forKey: mark) == nil else {
        throw .invalidReference(text, reason: "it has more than one '\(mark)'")
      }
      rest = rest.dropFirst(part.count)
    }
    guard Self.isName(name) else {
      throw .invalidReference(
        text, reason: "expected organisation/name, such as Qwen/Qwen2.5-0.5B-Instruct")
    }
    let revision = parts["@"] ?? Self.defaultRevision
    guard HubFileName.isSafe(revision), revision.utf8.count <= 255 else {
      throw .invalidReference(text, reason: "'\(revision)' is not a branch, tag or commit")
    }
    if let variant = parts[":"] {
      guard !variant.isEmpty, variant.utf8.allSatisfy(Self.isNameByte) else {
        throw .invalidReference(text, reason: "'\(variant)' is not a variant such as Q4_K_M")
      }
    }
    self.name = name
    self.revision = revision
    variant = parts[":"]
  }

  /// As huggingface_hub's validate_repo_id.
  private static func isName(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    return (1...96).contains(name.utf8.count) && parts.count <= 2 && !name.contains("--")
      && !name.contains("..") && !name.hasSuffix(".git")
      && parts.allSatisfy { part in
        guard let first = part.utf8.first, let last = part.utf8.last else { return false }
        let edges = [UInt8(ascii: "-"), UInt8(ascii: ".")]
        return part.utf8.allSatisfy(isNameByte) && !edges.contains(first) && !edges.contains(last)
      }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 48...57, 65...90, 97...122: true
    default: "-_.".utf8.contains(byte)
    }
  }
}

extension ModelReference: CustomStringConvertible {
  package var description: String {
    name + (variant.map { ":" + $0 } ?? "")
      + (revision == Self.defaultRevision ? "" : "@" + revision)
  }
}

/// Names of files and revisions that come from elsewhere and become paths below a folder.
enum HubFileName {
  /// Relative, without `.` and `..`, empty components and control characters.
  static func isSafe(_ name: String) -> Bool {
    name.utf8.count <= 1024 && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f }
      && name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255
      }
  }

  /// Percent-encodes everything but unreserved characters (RFC 3986 section 2.3) and those in `keeping`.
  static func encoded(_ text: String, keeping: String = "") -> String {
    text.utf8.map { byte in
      switch byte {
      case 48...57, 65...90, 97...122: String(UnicodeScalar(byte))
      case _ where ("-._~" + keeping).utf8.contains(byte): String(UnicodeScalar(byte))
      default: (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
      }
    }.joined()
  }
}

// Patterns of paths, as .gitignore has them: `*` and `?` stay within a folder, `**` crosses folders,
// `[a-z]` and `[!a-z]` are sets. A pattern without a slash is about names, wherever they are.

struct GlobPattern: Sendable {
  private let pattern: [Character]
  private let isName: Bool

  init(_ text: String) {
    isName = !text.contains("/")
    pattern = Array(text.hasPrefix("/") ? String(text.dropFirst()) : text)
  }

  /// - Parameter path: relative to the folder that the pattern is for
  func matches(_ path: String) -> Bool {
    let subject = isName ? path.split(separator: "/").last.map(String.init) ?? path : path
    // Per place of the pattern, the places of the path it was tried at: stars make it no slower than
    // their product.
    var tried: Set<Int> = []
    return matches(0, Array(subject), 0, &tried)
  }

  private func matches(
    _ index: Int, _ path: [Character], _ position: Int, _ tried: inout Set<Int>
  ) -> Bool {
    guard tried.insert(index * (path.count + 1) + position).inserted else { return false }
    guard index < pattern.count else { return position == path.count }
    switch pattern[index] {
    case "*":
      var next = index + 1
      while next < pattern.count, pattern[next] == "*" { next += 1 }
      let crosses = next - index > 1
      // "**/" is also no folder at all.
      if crosses, next < pattern.count, pattern[next] == "/",
        matches(next + 1, path, position, &tried)
      {
        return true
      }
      var end = position
      while true {
        if matches(next, path, end, &tried) { return true }
        guard end < path.count, crosses || path[end] != "/" else { return false }
        end += 1
      }
    case "?":
      return position < path.count && path[position] != "/"
        && matches(index + 1, path, position + 1, &tried)
    case "[":
      guard let (isMember, end) = set(at: index), position < path.count, path[position] != "/"
      else { break }
      return isMember(path[position]) && matches(end, path, position + 1, &tried)
    default: break
    }
    return position < path.count && path[position] == pattern[index]
      && matches(index + 1, path, position + 1, &tried)
  }

  /// The set that begins here, and the place behind it; nil for a bracket that is never closed.
  private func set(at index: Int) -> ((Character) -> Bool, Int)? {
    guard let close = pattern[(index + 1)...].dropFirst().firstIndex(of: "]") else { return nil }
    var members = pattern[(index + 1)..<close]
    let isNegated = members.first == "!" || members.first == "^"
    if isNegated { members = members.dropFirst() }
    let list = Array(members)
    let isMember = { (character: Character) -> Bool in
      var at = 0
      while at < list.count {
        if at + 2 < list.count, list[at + 1] == "-" {
          if list[at] <= character, character <= list[at + 2] { return !isNegated }
          at += 3
        } else {
          if list[at] == character { return !isNegated }
          at += 1
        }
      }
      return isNegated
    }
    return (isMember, close + 1)
  }
}

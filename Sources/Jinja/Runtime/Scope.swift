// Variables of a block, and of the blocks around it. Loops, macros and `with` open scopes; `if`
// does not. Assignments never reach outer scopes, which is what namespaces are for.

final class Scope {
  private(set) var variables: [String: Value] = [:]
  private let parent: Scope?

  init(parent: Scope?) { self.parent = parent }

  func lookUp(_ name: String) -> Value? {
    var scope: Scope? = self
    while let current = scope {
      if let value = current.variables[name] { return value }
      scope = current.parent
    }
    return nil
  }

  func assign(_ value: Value, to name: String) { variables[name] = value }

  func removeAll() { variables = [:] }
}

// Statements of the language as the parser leaves them.

struct Statement: Sendable {
  /// Blocks inside one another.
  static let maximumDepth = 60

  indirect enum Node: Sendable {
    case text(String)
    case output(Expression)
    case conditional([Branch], otherwise: [Statement])
    case loop(Loop)
    case set(Target, Expression)
    case setBlock(Target, [FilterCall], [Statement])
    case macro(MacroDefinition)
    case callBlock(call: Expression, caller: MacroDefinition)
    case filterBlock([FilterCall], [Statement])
    case with([Binding], [Statement])
    /// Marks what the assistant says for training; renders as it is, in a scope of its own.
    case generation([Statement])
    case breakLoop
    case continueLoop
  }

  struct Branch: Sendable {
    let test: Expression
    let body: [Statement]
  }

  struct Loop: Sendable {
    let target: Target
    let iterable: Expression
    let test: Expression?
    let body: [Statement]
    let otherwise: [Statement]
  }

  struct Binding: Sendable {
    let target: Target
    let value: Expression
  }

  let node: Node
  let line: Int
}

/// What a value is assigned to.
indirect enum Target: Sendable {
  case name(String)
  case namespaceAttribute(String, String)
  case tuple([Target])
}

struct MacroDefinition: Sendable {
  struct Parameter: Sendable {
    let name: String
    let defaultValue: Expression?
  }

  let name: String
  let parameters: [Parameter]
  let body: [Statement]
  /// Whether the body mentions `caller`, `varargs` or `kwargs`, and so accepts them.
  let usesCaller: Bool
  let usesVarargs: Bool
  let usesKwargs: Bool
}

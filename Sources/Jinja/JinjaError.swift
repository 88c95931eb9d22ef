// Why a template could not be read or rendered. Each case carries what went wrong and the line of
// the template, 1-based; 0 only before the interpreter has added it.

package enum JinjaError: Error, Sendable, Hashable {
  /// The template's text is not in the language, or uses what is refused here.
  case syntax(String, line: Int)
  /// An operation on a value that does not support it, an undefined one included.
  case runtime(String, line: Int)
  /// The template itself refused its input by calling `raise_exception`.
  case raised(String, line: Int)
  /// Rendering would take more time, memory or stack than JinjaLimits allow.
  case limit(String, line: Int)

  static func runtime(_ message: String) -> JinjaError { .runtime(message, line: 0) }

  package var message: String {
    switch self {
    case .syntax(let message, _), .runtime(let message, _), .raised(let message, _),
      .limit(let message, _):
      message
    }
  }

  package var line: Int {
    switch self {
    case .syntax(_, let line), .runtime(_, let line), .raised(_, let line), .limit(_, let line):
      line
    }
  }

  /// The same error at a line, unless it has one already.
  func located(at place: Int) -> JinjaError {
    guard line == 0 else { return self }
    switch self {
    case .syntax(let message, _): return .syntax(message, line: place)
    case .runtime(let message, _): return .runtime(message, line: place)
    case .raised(let message, _): return .raised(message, line: place)
    case .limit(let message, _): return .limit(message, line: place)
    }
  }
}

extension JinjaError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .raised: "the chat template refused the input: \(message)"
    default: "chat template, line \(line): \(message)"
    }
  }
}

// The functions that every template can call: Jinja2's range, dict, namespace, cycler and joiner,
// and those that transformers adds: raise_exception and strftime_now.

import OrderedCollections

extension Interpreter {
  /// As the sandbox of Jinja2 limits ranges.
  private static let maximumRangeCount = 100_000

  static var globalFunctions: [Function] {
    [
      Function("range", makeRange), Function("dict", makeDictionary),
      Function("namespace", makeNamespace), Function("raise_exception", raiseException),
      Function("strftime_now", formatNow),
    ]
  }

  private static func raiseException(
    _ arguments: CallArguments, _ interpreter: Interpreter
  ) throws(JinjaError) -> Value {
    let message = try arguments.bound(to: "message").required(0)
    throw .raised(try message.text(interpreter.meter), line: 0)
  }

  private static func formatNow(
    _ arguments: CallArguments, _ interpreter: Interpreter
  ) throws(JinjaError) -> Value {
    let format = try arguments.bound(to: "format").requiredString(0)
    return .string(try interpreter.clock.formatted(format, interpreter.meter))
  }

  private static func makeRange(
    _ arguments: CallArguments, _ interpreter: Interpreter
  ) throws(JinjaError) -> Value {
    let bound = try arguments.bound(to: "start", "stop", "step")
    var bounds: [Int] = []
    for index in 0..<arguments.positional.count {
      guard let value = try bound.integer(index) else {
        throw .runtime("range bounds must be integers")
      }
      // Far beyond any sensible range, and near enough for differences not to overflow.
      guard value.magnitude < 1 << 60 else { throw .runtime("a range bound is too large") }
      bounds.append(value)
    }
    guard let first = bounds.first, arguments.named.isEmpty else {
      throw .runtime("range expects 1 to 3 positional arguments")
    }
    let range = PythonRange(
      start: bounds.count > 1 ? first : 0, stop: bounds.count > 1 ? bounds[1] : first,
      step: bounds.count > 2 ? bounds[2] : 1)
    guard range.step != 0 else { throw .runtime("range step must not be zero") }
    guard range.count <= maximumRangeCount else {
      throw .limit("a range exceeds \(maximumRangeCount) items", line: 0)
    }
    return .range(range)
  }

  private static func makeDictionary(
    _ arguments: CallArguments, _ interpreter: Interpreter
  ) throws(JinjaError) -> Value {
    .dictionary(try Dictionary(try members(arguments, interpreter)))
  }

  private static func makeNamespace(
    _ arguments: CallArguments, _ interpreter: Interpreter
  ) throws(JinjaError) -> Value {
    var attributes: OrderedDictionary<String, Value> = [:]
    for (key, value) in try members(arguments, interpreter) {
      let name = try key.value.expectString("an attribute")
      try interpreter.checkAttributeName(name)
      attributes[name] = value
    }
    return try interpreter.makeNamespace(attributes)
  }

  /// As Python's dict() takes them: a dictionary or pairs, then keywords.
  private static func members(
    _ arguments: CallArguments, _ interpreter: Interpreter
  ) throws(JinjaError) -> Dictionary.Members {
    guard arguments.positional.count <= 1 else {
      throw .runtime("takes at most 1 positional argument")
    }
    var members = Dictionary.Members()
    if case .dictionary(let dictionary) = arguments.positional.first {
      members = dictionary.members
    } else if let pairs = arguments.positional.first {
      for pair in try pairs.iterated(interpreter.meter) {
        let items = try pair.iterated(interpreter.meter)
        guard items.count == 2 else { throw .runtime("a dict needs pairs of key and value") }
        members[try HashableValue(items[0])] = items[1]
      }
    }
    for (name, value) in arguments.named { members[HashableValue(name)] = value }
    try interpreter.meter.chargeItems(members.count)
    return members
  }
}

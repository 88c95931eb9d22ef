// The evaluated arguments of a call, and how they find the parameters of a built-in function.
// Refuses surplus, repeated and unknown arguments as Python does.

struct CallArguments {
  var positional: [Value] = []
  var named: [(name: String, value: Value)] = []

  func named(_ name: String) -> Value? { named.last { $0.name == name }?.value }

  /// Values by parameter, nil where none was given.
  func bound(to parameters: String...) throws(JinjaError) -> Bound {
    guard positional.count <= parameters.count else {
      throw .runtime(
        "takes at most \(parameters.count) arguments, \(positional.count) were given")
    }
    var values: [Value?] = Array(repeating: nil, count: parameters.count)
    for (index, value) in positional.enumerated() { values[index] = value }
    for (name, value) in named {
      guard let index = parameters.firstIndex(of: name) else {
        throw .runtime("got an unexpected keyword argument '\(name)'")
      }
      guard values[index] == nil else {
        throw .runtime("got multiple values for argument '\(name)'")
      }
      values[index] = value
    }
    return Bound(parameters: parameters, values: values)
  }

  /// For functions without parameters.
  func expectNone() throws(JinjaError) { _ = try bound() }

  struct Bound {
    fileprivate let parameters: [String]
    fileprivate let values: [Value?]

    subscript(index: Int) -> Value? { values[index] }

    func required(_ index: Int) throws(JinjaError) -> Value {
      guard let value = values[index] else {
        throw .runtime("missing required argument '\(parameters[index])'")
      }
      return value
    }

    /// Nil where the argument was not given or is None.
    func optional(_ index: Int) -> Value? {
      if case .some(.none) = values[index] { return nil }
      return values[index]
    }

    func isTrue(_ index: Int, default standard: Bool = false) -> Bool {
      values[index]?.isTrue ?? standard
    }

    func integer(_ index: Int) throws(JinjaError) -> Int? {
      guard let value = optional(index) else { return nil }
      if case .undefined(let undefined) = value { throw undefined.error }
      guard let integer = value.integerValue else {
        throw .runtime("'\(parameters[index])' must be an integer, not \(value.typeName)")
      }
      return integer
    }

    func string(_ index: Int) throws(JinjaError) -> String? {
      guard let value = optional(index) else { return nil }
      return try value.expectString("'\(parameters[index])'")
    }

    func requiredString(_ index: Int) throws(JinjaError) -> String {
      try required(index).expectString("'\(parameters[index])'")
    }
  }
}

extension Value {
  func expectString(_ what: String) throws(JinjaError) -> String {
    if case .undefined(let undefined) = self { throw undefined.error }
    guard case .string(let text) = self else {
      throw .runtime("\(what) must be a string, not \(typeName)")
    }
    return text
  }
}

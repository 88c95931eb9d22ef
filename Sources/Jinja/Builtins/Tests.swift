// The tests of the language by name (`x is defined`): jinja2/tests.py. Comparisons have their
// symbols as names too, because select and its kin take them as strings.

typealias TestBody = @Sendable (Value, CallArguments, Interpreter) throws(JinjaError) -> Bool

enum Tests {
  static let table: [String: TestBody] = kinds.merging(relations) { first, _ in first }

  private static let kinds: [String: TestBody] = [
    "defined": asks { if case .undefined = $0 { false } else { true } },
    "undefined": asks { if case .undefined = $0 { true } else { false } },
    "none": asks { if case .none = $0 { true } else { false } },
    "true": asks { if case .bool(true) = $0 { true } else { false } },
    "false": asks { if case .bool(false) = $0 { true } else { false } },
    "boolean": asks { if case .bool = $0 { true } else { false } },
    "integer": asks { if case .integer = $0 { true } else { false } },
    "float": asks { if case .float = $0 { true } else { false } },
    "number": asks { $0.floatValue != nil },
    "string": asks { if case .string = $0 { true } else { false } },
    "mapping": asks { if case .dictionary = $0 { true } else { false } },
    "sequence": asks {
      switch $0 {
      case .string, .list, .tuple, .dictionary, .range: true
      default: false
      }
    },
    "iterable": asks { $0.isIterable },
    "callable": asks {
      switch $0 {
      // An undefined value has __call__, which only throws.
      case .function, .macro, .undefined, .loop: true
      default: false
      }
    },
    "escaped": asks { _ in false },
    "lower": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      return isCased(try value.text(interpreter.meter), lower: true)
    },
    "upper": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      return isCased(try value.text(interpreter.meter), lower: false)
    },
    "filter": { (value, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      guard case .string(let name) = value else { return false }
      return Filters.table[name] != nil
    },
    "test": { (value, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      guard case .string(let name) = value else { return false }
      return table[name] != nil
    },
    "odd": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      let rest = try Value.apply(.modulo, value, .integer(2), interpreter.meter)
      return rest.isEqual(to: .integer(1))
    },
    "even": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      let rest = try Value.apply(.modulo, value, .integer(2), interpreter.meter)
      return rest.isEqual(to: .integer(0))
    },
  ]

  private static let relations: [String: TestBody] = [
    "eq": compares(.equal), "==": compares(.equal), "equalto": compares(.equal),
    "ne": compares(.notEqual), "!=": compares(.notEqual),
    "lt": compares(.less), "<": compares(.less), "lessthan": compares(.less),
    "le": compares(.lessEqual), "<=": compares(.lessEqual),
    "gt": compares(.greater), ">": compares(.greater), "greaterthan": compares(.greater),
    "ge": compares(.greaterEqual), ">=": compares(.greaterEqual),
    "in": compares(.contained),
    "divisibleby": { (value, arguments, interpreter) throws(JinjaError) in
      let divisor = try arguments.bound(to: "num").required(0)
      let rest = try Value.apply(.modulo, value, divisor, interpreter.meter)
      return rest.isEqual(to: .integer(0))
    },
    "sameas": { (value, arguments, _) throws(JinjaError) in
      let other = try arguments.bound(to: "other").required(0)
      return value.typeName == other.typeName && value.isEqual(to: other)
    },
  ]

  private static func compares(_ comparator: Comparator) -> TestBody {
    { (value, arguments, interpreter) throws(JinjaError) in
      let other = try arguments.bound(to: "other").required(0)
      return try interpreter.compare(value, comparator, other)
    }
  }

  private static func asks(_ holds: @escaping @Sendable (Value) -> Bool) -> TestBody {
    { (value, arguments, _) throws(JinjaError) in
      try arguments.expectNone()
      return holds(value)
    }
  }

  private static func isCased(_ text: String, lower: Bool) -> Bool {
    var hasCase = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      if lower ? properties.isUppercase : properties.isLowercase { return false }
      if lower ? properties.isLowercase : properties.isUppercase { hasCase = true }
    }
    return hasCase
  }
}

extension Interpreter {
  func applyTest(
    _ name: String, to value: Value, _ arguments: CallArguments
  ) throws(JinjaError) -> Bool {
    guard let test = Tests.table[name] else { throw .runtime("no test named '\(name)'") }
    do throws(JinjaError) {
      return try test(value, arguments, self)
    } catch .runtime(let message, line: 0) {
      throw .runtime("\(name): \(message)")
    }
  }
}

// The values that templates compute with: Python's, as far as a sandbox without mutation shows
// them. Lists and dictionaries are shared and never change; only namespaces do.
// Containers know their depth, so that no chain of them outgrows the stack when walked or freed.

import OrderedCollections

enum Value {
  case undefined(Undefined)
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
  case list(List)
  case tuple(List)
  case dictionary(Dictionary)
  case view(View)
  case range(PythonRange)
  case generator(Generator)
  case namespace(Namespace)
  case loop(LoopState)
  case function(Function)
  case macro(Macro)

  static func undefined(_ message: String) -> Value { .undefined(Undefined(message: message)) }
}

/// What a missing variable, member or element evaluates to: renders as nothing, iterates as
/// nothing, is false; anything else done with it is an error with this message.
struct Undefined {
  let message: String
  var error: JinjaError { .runtime(message) }
}

final class List {
  let items: [Value]
  let depth: Int

  init(_ items: [Value]) throws(JinjaError) {
    self.items = items
    depth = try containerDepth(items)
  }
}

final class Dictionary {
  typealias Members = OrderedDictionary<HashableValue, Value>

  let members: Members
  let depth: Int

  init(_ members: Members) throws(JinjaError) {
    self.members = members
    depth = try containerDepth(members.values)
  }

  subscript(name: String) -> Value? { members[HashableValue(name)] }
}

/// `dict.items()`, `.keys()`, `.values()`.
final class View {
  let name: String
  let items: [Value]
  let depth: Int

  init(name: String, items: [Value]) throws(JinjaError) {
    self.name = name
    self.items = items
    depth = try containerDepth(items)
  }
}

/// What lazy filters such as `map` and `select` give: can be iterated once.
final class Generator {
  private var items: [Value]
  let depth: Int

  init(_ items: [Value]) throws(JinjaError) {
    self.items = items
    depth = try containerDepth(items)
  }

  func take() -> [Value] {
    defer { items = [] }
    return items
  }

  func takeFirst() -> Value? { items.isEmpty ? nil : items.removeFirst() }
}

/// The one thing that templates can change: `{% set namespace.attribute = value %}`.
final class Namespace {
  var attributes: OrderedDictionary<String, Value>

  init(_ attributes: OrderedDictionary<String, Value>) { self.attributes = attributes }
}

/// A function of the language or a method bound to its value.
final class Function {
  let name: String
  let body: (CallArguments, Interpreter) throws(JinjaError) -> Value

  init(
    _ name: String, _ body: @escaping (CallArguments, Interpreter) throws(JinjaError) -> Value
  ) {
    self.name = name
    self.body = body
  }
}

/// A macro with the scope that it was defined in.
final class Macro {
  let definition: MacroDefinition
  let scope: Scope

  init(_ definition: MacroDefinition, scope: Scope) {
    self.definition = definition
    self.scope = scope
  }
}

private let maximumContainerDepth = 300

private func containerDepth(_ items: some Swift.Sequence<Value>) throws(JinjaError) -> Int {
  var depth = 0
  for item in items { depth = max(depth, item.depth) }
  guard depth < maximumContainerDepth else {
    throw .limit("a value is nested deeper than \(maximumContainerDepth) levels", line: 0)
  }
  return depth + 1
}

extension Value {
  /// Containers inside one another; namespaces are freed one by one and so count as leaves.
  var depth: Int {
    switch self {
    case .list(let list), .tuple(let list): list.depth
    case .dictionary(let dictionary): dictionary.depth
    case .view(let view): view.depth
    case .generator(let generator): generator.depth
    default: 0
    }
  }

  static func list(_ items: [Value]) throws(JinjaError) -> Value { .list(try List(items)) }
  static func tuple(_ items: [Value]) throws(JinjaError) -> Value { .tuple(try List(items)) }

  static func generator(_ items: [Value]) throws(JinjaError) -> Value {
    .generator(try Generator(items))
  }

  /// Python's name for the type, for error messages.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .integer: "int"
    case .float: "float"
    case .string: "str"
    case .list: "list"
    case .tuple: "tuple"
    case .dictionary: "dict"
    case .view(let view): view.name
    case .range: "range"
    case .generator: "generator"
    case .namespace: "Namespace"
    case .loop: "LoopContext"
    case .function: "function"
    case .macro: "Macro"
    }
  }

  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .float(let value): value != 0
    case .string(let value): !value.isEmpty
    case .list(let list), .tuple(let list): !list.items.isEmpty
    case .dictionary(let dictionary): !dictionary.members.isEmpty
    case .view(let view): !view.items.isEmpty
    case .range(let range): range.count > 0
    case .loop(let loop): !loop.items.isEmpty
    case .generator, .namespace, .function, .macro: true
    }
  }

  /// Integers and booleans, which Python counts as integers.
  var integerValue: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .integer(let value): value
    default: nil
    }
  }

  /// Any number.
  var floatValue: Double? {
    if case .float(let value) = self { return value }
    return integerValue.map { Double($0) }
  }
}

// Calls of functions, methods and macros, and the look-up of attributes and items with the
// sandbox's rules: underscored attributes and methods that would change a list or dictionary
// are undefined; `a.b` is the attribute first and then the item, `a['b']` the other way round.

import OrderedCollections

extension Interpreter {
  // MARK: Attributes and items

  func attribute(_ name: String, of value: Value) throws(JinjaError) -> Value {
    if case .undefined(let undefined) = value { throw undefined.error }
    if let attribute = value.attribute(name) { return attribute }
    if let element = try value.element(.string(name)) { return element }
    return try missing(.string(name), of: value)
  }

  func item(_ item: Value, of value: Value) throws(JinjaError) -> Value {
    if let element = try value.element(item) { return element }
    if case .string(let name) = item, let attribute = value.attribute(name) { return attribute }
    return try missing(item, of: value)
  }

  private func missing(_ item: Value, of value: Value) throws(JinjaError) -> Value {
    if case .string(let name) = item {
      return .undefined("'\(value.typeName) object' has no attribute '\(name)'")
    }
    return .undefined("\(value.typeName) object has no element \(try item.representation(meter))")
  }

  // MARK: Arguments

  func evaluate(_ arguments: Arguments, in scope: Scope) throws(JinjaError) -> CallArguments {
    var result = CallArguments()
    for expression in arguments.positional {
      result.positional.append(try evaluate(expression, in: scope))
    }
    for argument in arguments.named {
      result.named.append((argument.name, try evaluate(argument.value, in: scope)))
    }
    if let list = arguments.unpackedList {
      result.positional += try evaluate(list, in: scope).iterated(meter)
    }
    if let dictionary = arguments.unpackedDictionary {
      guard case .dictionary(let dictionary) = try evaluate(dictionary, in: scope) else {
        throw .runtime("the argument after ** must be a dict")
      }
      for (key, value) in dictionary.members {
        result.named.append((try key.value.expectString("a keyword"), value))
      }
    }
    try meter.chargeItems(result.positional.count + result.named.count)
    return result
  }

  // MARK: Calls

  func evaluateCall(
    _ callee: Expression, _ arguments: Arguments, caller: Value?, line: Int, in scope: Scope
  ) throws(JinjaError) -> Value {
    let function = try evaluate(callee, in: scope)
    var values = try evaluate(arguments, in: scope)
    if let caller { values.named.append(("caller", caller)) }
    moveTo(line: line)
    return try call(function, values)
  }

  /// A call block: the call gets the block's body as `caller`.
  func evaluate(
    _ call: Expression, caller definition: MacroDefinition, in scope: Scope
  ) throws(JinjaError) -> Value {
    guard case .call(let callee, let arguments) = call.node else { return .none }
    let caller = Value.macro(Macro(definition, scope: scope))
    return try evaluateCall(callee, arguments, caller: caller, line: call.line, in: scope)
  }

  func call(_ callee: Value, _ arguments: CallArguments) throws(JinjaError) -> Value {
    switch callee {
    case .function(let function):
      do throws(JinjaError) {
        return try function.body(arguments, self)
      } catch .runtime(let message, line: 0) {
        throw .runtime("\(function.name)(): \(message)")
      }
    case .macro(let macro): return .string(try call(macro, arguments))
    case .undefined(let undefined): throw undefined.error
    default: throw .runtime("'\(callee.typeName)' object is not callable")
    }
  }

  private func call(_ macro: Macro, _ arguments: CallArguments) throws(JinjaError) -> String {
    try meter.enter()
    defer { meter.leave() }
    let definition = macro.definition
    let scope = Scope(parent: macro.scope)
    var named = arguments.named
    func take(_ name: String) -> Value? {
      named.firstIndex { $0.name == name }.map { named.remove(at: $0).value }
    }
    for (index, parameter) in definition.parameters.enumerated() {
      let given =
        index < arguments.positional.count ? arguments.positional[index] : take(parameter.name)
      let value = if let given { given } else { try defaultValue(of: parameter, in: scope) }
      scope.assign(value, to: parameter.name)
    }
    let hasCallerParameter = definition.parameters.contains { $0.name == "caller" }
    if definition.usesCaller && !hasCallerParameter {
      scope.assign(take("caller") ?? .undefined("no caller defined"), to: "caller")
    }
    try assignSurplus(positional: arguments.positional, named: named, of: definition, in: scope)
    return try capture(definition.body, in: scope)
  }

  private func defaultValue(
    of parameter: MacroDefinition.Parameter, in scope: Scope
  ) throws(JinjaError) -> Value {
    guard let expression = parameter.defaultValue else {
      return .undefined("parameter '\(parameter.name)' was not provided")
    }
    return try evaluate(expression, in: scope)
  }

  private func assignSurplus(
    positional: [Value], named: [(name: String, value: Value)], of definition: MacroDefinition,
    in scope: Scope
  ) throws(JinjaError) {
    if definition.usesKwargs {
      var members = Dictionary.Members()
      for (name, value) in named { members[HashableValue(name)] = value }
      scope.assign(.dictionary(try Dictionary(members)), to: "kwargs")
    } else if let surplus = named.first {
      throw .runtime("macro '\(definition.name)' takes no keyword argument '\(surplus.name)'")
    }
    let count = definition.parameters.count
    if definition.usesVarargs {
      scope.assign(try .tuple(Array(positional.dropFirst(count))), to: "varargs")
    } else if positional.count > count {
      throw .runtime("macro '\(definition.name)' takes not more than \(count) argument(s)")
    }
  }
}

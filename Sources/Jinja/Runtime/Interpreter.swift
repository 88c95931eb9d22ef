// Walks the statements of a template once, for one rendering, on the caller's thread.
// Relies on the parser for bounded trees and on Meter for bounded work. Macros and scopes refer to
// each other in cycles, which `releaseCycles` breaks when the rendering is over.

import JSON
import OrderedCollections

final class Interpreter {
  let meter: Meter
  let clock: JinjaClock
  /// The line that errors are reported at.
  private var line = 1
  private var macroScopes: [Scope] = []
  private var namespaces: [Namespace] = []
  private var loopDepth = 0

  /// How a statement ends: in order, or by leaving the loop around it.
  private enum Flow { case next, breakLoop, continueLoop }

  init(limits: JinjaLimits, clock: JinjaClock) {
    meter = Meter(limits: limits)
    self.clock = clock
  }

  func render(_ body: [Statement], context: JSONObject) throws(JinjaError) -> String {
    do throws(JinjaError) {
      let globals = Scope(parent: nil)
      for function in Self.globalFunctions {
        globals.assign(.function(function), to: function.name)
      }
      let variables = Scope(parent: globals)
      for (name, value) in context { variables.assign(try Value(value), to: name) }
      return try capture(body, in: Scope(parent: variables))
    } catch {
      throw error.located(at: line)
    }
  }

  func releaseCycles() {
    for scope in macroScopes { scope.removeAll() }
    for namespace in namespaces { namespace.attributes = [:] }
  }

  func makeNamespace(_ attributes: OrderedDictionary<String, Value>) throws(JinjaError) -> Value {
    try meter.chargeItems(attributes.count + 1)
    let namespace = Namespace(attributes)
    namespaces.append(namespace)
    return .namespace(namespace)
  }

  func moveTo(line: Int) { self.line = line }

  // MARK: Statements

  /// The text that statements write.
  func capture(_ body: [Statement], in scope: Scope) throws(JinjaError) -> String {
    var output = ""
    _ = try execute(body, in: scope, into: &output)
    return output
  }

  private func execute(
    _ body: [Statement], in scope: Scope, into output: inout String
  ) throws(JinjaError) -> Flow {
    try meter.enter()
    defer { meter.leave() }
    for statement in body {
      try meter.step()
      line = statement.line
      let flow = try execute(statement.node, in: scope, into: &output)
      if flow != .next { return flow }
    }
    return .next
  }

  private func append(_ text: String, to output: inout String) throws(JinjaError) {
    let (bytes, overflow) = output.utf8.count.addingReportingOverflow(text.utf8.count)
    try meter.checkText(overflow ? .max : bytes)
    output += text
  }

  private func execute(
    _ node: Statement.Node, in scope: Scope, into output: inout String
  ) throws(JinjaError) -> Flow {
    switch node {
    case .text(let text): try append(text, to: &output)
    case .output(let expression):
      try append(try evaluate(expression, in: scope).text(meter), to: &output)
    case .conditional(let branches, let otherwise):
      for branch in branches where try evaluate(branch.test, in: scope).isTrue {
        return try execute(branch.body, in: scope, into: &output)
      }
      return try execute(otherwise, in: scope, into: &output)
    case .loop(let loop): return try execute(loop, in: scope, into: &output)
    case .set(let target, let expression):
      try assign(try evaluate(expression, in: scope), to: target, in: scope)
    case .setBlock(let target, let filters, let body):
      var text = ""
      let flow = try execute(body, in: Scope(parent: scope), into: &text)
      guard flow == .next else { return flow }
      try assign(try apply(filters, to: .string(text), in: scope), to: target, in: scope)
    case .macro(let definition):
      macroScopes.append(scope)
      scope.assign(.macro(Macro(definition, scope: scope)), to: definition.name)
    case .callBlock(let call, let definition):
      try append(try evaluate(call, caller: definition, in: scope).text(meter), to: &output)
    case .filterBlock(let filters, let body):
      var text = ""
      let flow = try execute(body, in: Scope(parent: scope), into: &text)
      guard flow == .next else { return flow }
      try append(try apply(filters, to: .string(text), in: scope).text(meter), to: &output)
    case .with(let bindings, let body):
      let inner = Scope(parent: scope)
      for binding in bindings {
        try assign(try evaluate(binding.value, in: scope), to: binding.target, in: inner)
      }
      return try execute(body, in: inner, into: &output)
    case .generation(let body):
      return try execute(body, in: Scope(parent: scope), into: &output)
    case .breakLoop: return .breakLoop
    case .continueLoop: return .continueLoop
    }
    return .next
  }

  private func execute(
    _ loop: Statement.Loop, in scope: Scope, into output: inout String
  ) throws(JinjaError) -> Flow {
    let items = try selectItems(loop, in: scope)
    guard !items.isEmpty else {
      return try execute(loop.otherwise, in: Scope(parent: scope), into: &output)
    }
    let state = LoopState(items: items, depth0: 0)
    for (index, item) in items.enumerated() {
      state.index0 = index
      // A fresh scope: what the body sets does not last to the next round.
      let inner = Scope(parent: scope)
      inner.assign(.loop(state), to: "loop")
      try assign(item, to: loop.target, in: inner)
      if try execute(loop.body, in: inner, into: &output) == .breakLoop { break }
    }
    return .next
  }

  private func selectItems(
    _ loop: Statement.Loop, in scope: Scope
  ) throws(JinjaError) -> [Value] {
    let items = try evaluate(loop.iterable, in: scope).iterated(meter)
    guard let test = loop.test else { return items }
    var selected: [Value] = []
    for item in items {
      let inner = Scope(parent: scope)
      try assign(item, to: loop.target, in: inner)
      if try evaluate(test, in: inner).isTrue { selected.append(item) }
    }
    return selected
  }

  private func assign(
    _ value: Value, to target: Target, in scope: Scope
  ) throws(JinjaError) {
    switch target {
    case .name(let name): scope.assign(value, to: name)
    case .namespaceAttribute(let name, let attribute):
      guard case .namespace(let namespace) = scope.lookUp(name) else {
        throw .runtime("cannot assign attribute on non-namespace object '\(name)'")
      }
      try checkAttributeName(attribute)
      namespace.attributes[attribute] = value
    case .tuple(let targets):
      if case .undefined(let undefined) = value { throw undefined.error }
      let items = try value.iterated(meter)
      guard items.count == targets.count else {
        throw .runtime("expected \(targets.count) values to unpack, found \(items.count)")
      }
      for (target, item) in zip(targets, items) { try assign(item, to: target, in: scope) }
    }
  }

  /// transformers refuses underscored names on namespaces.
  func checkAttributeName(_ name: String) throws(JinjaError) {
    guard !name.utf8.starts(with: "_".utf8) else {
      throw .runtime("a namespace cannot have the underscored attribute '\(name)'")
    }
  }

  private func apply(
    _ filters: [FilterCall], to value: Value, in scope: Scope
  ) throws(JinjaError) -> Value {
    var value = value
    for filter in filters {
      let arguments = try evaluate(filter.arguments, in: scope)
      line = filter.line
      value = try applyFilter(filter.name, to: value, arguments)
    }
    return value
  }
}

// Attributes of values: methods of strings, dictionaries and lists that change nothing, `loop.*`
// and namespace attributes. What Python's sandbox calls unsafe exists but is undefined here.

extension Value {
  /// Nil where there is no such attribute, so that items are tried.
  func attribute(_ name: String) -> Value? {
    switch self {
    case .string(let text): return method(name, of: text, in: StringMethods.table)
    case .dictionary(let dictionary): return Self.attribute(name, of: dictionary)
    case .list(let list): return Self.attribute(name, of: list, mutators: listMutators)
    case .tuple(let list): return Self.attribute(name, of: list, mutators: [])
    case .namespace(let namespace): return namespace.attributes[name]
    case .loop(let loop): return loop.attribute(name)
    case .macro(let macro): return name == "name" ? .string(macro.definition.name) : nil
    default: return nil
    }
  }

  private func method<Receiver>(
    _ name: String, of receiver: Receiver,
    in table: [String: @Sendable (Receiver, CallArguments, Meter) throws(JinjaError) -> Value]
  ) -> Value? {
    guard let body = table[name] else { return nil }
    return .function(
      Function(name) { (arguments, interpreter) throws(JinjaError) in
        try body(receiver, arguments, interpreter.meter)
      })
  }

  private static func unsafe(_ name: String, of type: String) -> Value {
    .undefined("access to attribute '\(name)' of '\(type)' object is unsafe")
  }

  private static func attribute(_ name: String, of dictionary: Dictionary) -> Value? {
    switch name {
    case "items":
      return .function(
        Function(name) { (arguments, interpreter) throws(JinjaError) in
          try arguments.expectNone()
          return .view(try View(name: "dict_items", items: try dictionary.pairs(interpreter.meter)))
        })
    case "keys":
      return .function(
        Function(name) { (arguments, _) throws(JinjaError) in
          try arguments.expectNone()
          let keys = dictionary.members.keys.map(\.value)
          return .view(try View(name: "dict_keys", items: keys))
        })
    case "values":
      return .function(
        Function(name) { (arguments, _) throws(JinjaError) in
          try arguments.expectNone()
          return .view(try View(name: "dict_values", items: Array(dictionary.members.values)))
        })
    case "get":
      return .function(
        Function(name) { (arguments, _) throws(JinjaError) in
          let bound = try arguments.bound(to: "key", "default")
          let key = try HashableValue(try bound.required(0))
          return dictionary.members[key] ?? bound[1] ?? Value.none
        })
    case "copy":
      return .function(
        Function(name) { (arguments, _) throws(JinjaError) in
          try arguments.expectNone()
          return .dictionary(dictionary)
        })
    case "clear", "pop", "popitem", "setdefault", "update": return unsafe(name, of: "dict")
    default: return nil
    }
  }

  private static func attribute(
    _ name: String, of list: List, mutators: Set<String>
  ) -> Value? {
    if mutators.contains(name) { return unsafe(name, of: "list") }
    switch name {
    case "index":
      return .function(
        Function(name) { (arguments, interpreter) throws(JinjaError) in
          let value = try arguments.bound(to: "value").required(0)
          try interpreter.meter.chargeItems(list.items.count)
          guard let index = list.items.firstIndex(where: { $0.isEqual(to: value) }) else {
            throw .runtime("the value is not in the list")
          }
          return .integer(index)
        })
    case "count":
      return .function(
        Function(name) { (arguments, interpreter) throws(JinjaError) in
          let value = try arguments.bound(to: "value").required(0)
          try interpreter.meter.chargeItems(list.items.count)
          return .integer(list.items.count { $0.isEqual(to: value) })
        })
    case "copy" where !mutators.isEmpty:
      return .function(
        Function(name) { (arguments, _) throws(JinjaError) in
          try arguments.expectNone()
          return .list(list)
        })
    default: return nil
    }
  }
}

private let listMutators: Set = [
  "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
]

extension Dictionary {
  func pairs(_ meter: Meter) throws(JinjaError) -> [Value] {
    try meter.chargeItems(members.count)
    var pairs: [Value] = []
    pairs.reserveCapacity(members.count)
    for (key, value) in members { pairs.append(try .tuple([key.value, value])) }
    return pairs
  }
}

// Filters that apply other filters and tests to every item: map, select, reject and their
// attribute forms. They give generators, which can be iterated once.

extension Filters {
  static let selections: [String: FilterBody] = [
    "map": map,
    "select": selection(keeping: true, byAttribute: false),
    "reject": selection(keeping: false, byAttribute: false),
    "selectattr": selection(keeping: true, byAttribute: true),
    "rejectattr": selection(keeping: false, byAttribute: true),
  ]

  private static let map: FilterBody = { (value, arguments, interpreter) throws(JinjaError) in
    guard value.isTrue else { return try .generator([]) }
    let source = try items(value, interpreter)
    var mapped: [Value] = []
    mapped.reserveCapacity(source.count)
    if arguments.positional.isEmpty, arguments.named("attribute") != nil {
      let path = try mapPath(arguments)
      for item in source { mapped.append(try path.value(in: item, interpreter)) }
    } else {
      guard let filter = arguments.positional.first else {
        throw .runtime("map requires a filter argument")
      }
      let name = try filter.expectString("the filter's name")
      var rest = arguments
      rest.positional.removeFirst()
      for item in source { mapped.append(try interpreter.applyFilter(name, to: item, rest)) }
    }
    return try .generator(mapped)
  }

  private static func mapPath(_ arguments: CallArguments) throws(JinjaError) -> AttributePath {
    for (name, _) in arguments.named where name != "attribute" && name != "default" {
      throw .runtime("unexpected keyword argument '\(name)'")
    }
    return try AttributePath(
      arguments.named("attribute"), default: arguments.named("default"))
  }

  private static func selection(keeping kept: Bool, byAttribute: Bool) -> FilterBody {
    { (value, arguments, interpreter) throws(JinjaError) in
      guard value.isTrue else { return try .generator([]) }
      var rest = arguments
      var path = try AttributePath(nil)
      if byAttribute {
        guard !rest.positional.isEmpty else {
          throw .runtime("missing parameter for attribute name")
        }
        path = try AttributePath(rest.positional.removeFirst())
      }
      var test: String?
      if !rest.positional.isEmpty {
        test = try rest.positional.removeFirst().expectString("the test's name")
      }
      var selected: [Value] = []
      for item in try items(value, interpreter) {
        let tested = try path.value(in: item, interpreter)
        let holds =
          if let test { try interpreter.applyTest(test, to: tested, rest) } else { tested.isTrue }
        if holds == kept { selected.append(item) }
      }
      return try .generator(selected)
    }
  }
}

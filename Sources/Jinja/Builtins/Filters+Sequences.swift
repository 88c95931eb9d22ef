// Filters on sequences and dictionaries: measuring, picking, ordering, grouping, joining.

extension Filters {
  static let sequences: [String: FilterBody] = [
    "length": count, "count": count,
    "first": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      let none = Value.undefined("No first item, sequence was empty.")
      if case .generator(let generator) = value { return generator.takeFirst() ?? none }
      if case .string(let text) = value {
        return text.unicodeScalars.first.map { .string(String($0)) } ?? none
      }
      return try value.iterated(interpreter.meter).first ?? none
    },
    "last": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      if case .generator = value { throw .runtime("'generator' object is not reversible") }
      return try value.iterated(interpreter.meter).last
        ?? .undefined("No last item, sequence was empty.")
    },
    "list": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      return try .list(try items(value, interpreter))
    },
    "items": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      if case .undefined = value { return try .generator([]) }
      guard case .dictionary(let dictionary) = value else {
        throw .runtime("can only get item pairs from a mapping")
      }
      return try .generator(try dictionary.pairs(interpreter.meter))
    },
    "reverse": { (value, arguments, interpreter) throws(JinjaError) in
      try arguments.expectNone()
      if case .string(let text) = value { return .string(text.reversedScalars) }
      let reversed = try items(value, interpreter).reversed()
      if case .generator = value { return try .list(Array(reversed)) }
      return try .generator(Array(reversed))
    },
    "join": join,
    "sort": { (value, arguments, interpreter) throws(JinjaError) in
      let bound = try arguments.bound(to: "reverse", "case_sensitive", "attribute")
      let key = try SortKey(bound[2], isCaseSensitive: bound.isTrue(1), interpreter)
      let sorted = try key.sorted(try items(value, interpreter), reverse: bound.isTrue(0))
      return try .list(sorted)
    },
    "dictsort": { (value, arguments, interpreter) throws(JinjaError) in
      let bound = try arguments.bound(to: "case_sensitive", "by", "reverse")
      guard case .dictionary(let dictionary) = value else {
        throw .runtime("needs a dict, not \(value.typeName)")
      }
      let by = try bound.string(1) ?? "key"
      guard by == "key" || by == "value" else {
        throw .runtime("You can only sort by either \"key\" or \"value\"")
      }
      let key = try SortKey(
        .integer(by == "key" ? 0 : 1), isCaseSensitive: bound.isTrue(0), interpreter)
      let pairs = try dictionary.pairs(interpreter.meter)
      return try .list(try key.sorted(pairs, reverse: bound.isTrue(2)))
    },
    "unique": { (value, arguments, interpreter) throws(JinjaError) in
      let bound = try arguments.bound(to: "case_sensitive", "attribute")
      let key = try AttributePath(bound.optional(1))
      var seen: Set<HashableValue> = []
      var unique: [Value] = []
      for item in try items(value, interpreter) {
        let found = try key.value(in: item, interpreter)
        let compared = bound.isTrue(0) ? found : found.ignoringCase
        if seen.insert(try HashableValue(compared)).inserted { unique.append(item) }
      }
      return try .generator(unique)
    },
    "min": { (value, arguments, interpreter) throws(JinjaError) in
      try extreme(value, arguments, interpreter) { (left, right) throws(JinjaError) in
        try left.isLess(than: right)
      }
    },
    "max": { (value, arguments, interpreter) throws(JinjaError) in
      try extreme(value, arguments, interpreter) { (left, right) throws(JinjaError) in
        try right.isLess(than: left)
      }
    },
    "sum": { (value, arguments, interpreter) throws(JinjaError) in
      let bound = try arguments.bound(to: "attribute", "start")
      let path = try AttributePath(bound.optional(0))
      var total = bound[1] ?? .integer(0)
      for item in try items(value, interpreter) {
        let addend = try path.value(in: item, interpreter)
        if case .string = total { throw .runtime("can't sum strings") }
        total = try Value.apply(.add, total, addend, interpreter.meter)
      }
      return total
    },
    "batch": { (value, arguments, interpreter) throws(JinjaError) in
      let bound = try arguments.bound(to: "linecount", "fill_with")
      let all = try items(value, interpreter)
      var size = try bound.integer(0) ?? 0
      guard size > 0 else { throw .runtime("the size of a batch must be positive") }
      if bound.optional(1) != nil {
        try interpreter.meter.chargeItems(size)
      } else {
        size = min(size, max(all.count, 1))
      }
      var batches: [Value] = []
      for start in stride(from: 0, to: all.count, by: size) {
        var batch = Array(all[start..<min(all.count, start + size)])
        if let fill = bound.optional(1), batch.count < size {
          batch += Array(repeating: fill, count: size - batch.count)
        }
        batches.append(try .list(batch))
      }
      return try .generator(batches)
    },
    "slice": slice,
    "groupby": groupBy,
  ]

  static func items(_ value: Value, _ interpreter: Interpreter) throws(JinjaError) -> [Value] {
    try value.iterated(interpreter.meter)
  }

  private static let count: FilterBody = { (value, arguments, _) throws(JinjaError) in
    try arguments.expectNone()
    return .integer(try value.count())
  }

  private static let join: FilterBody = { (value, arguments, interpreter) throws(JinjaError) in
    let meter = interpreter.meter
    let bound = try arguments.bound(to: "d", "attribute")
    let separator = try bound[0]?.text(meter) ?? ""
    let path = try AttributePath(bound.optional(1))
    var text = ""
    for (index, item) in try items(value, interpreter).enumerated() {
      if index > 0 { text += separator }
      text += try path.value(in: item, interpreter).text(meter)
      try meter.checkText(text.utf8.count)
    }
    try meter.chargeText(text.utf8.count)
    return .string(text)
  }

  private static func extreme(
    _ value: Value, _ arguments: CallArguments, _ interpreter: Interpreter,
    precedes: (Value, Value) throws(JinjaError) -> Bool
  ) throws(JinjaError) -> Value {
    let bound = try arguments.bound(to: "case_sensitive", "attribute")
    let path = try AttributePath(bound.optional(1))
    var best: (item: Value, key: Value)?
    for item in try items(value, interpreter) {
      let found = try path.value(in: item, interpreter)
      let key = bound.isTrue(0) ? found : found.ignoringCase
      if let current = best, !(try precedes(key, current.key)) { continue }
      best = (item, key)
    }
    return best?.item ?? .undefined("No aggregated item, sequence was empty.")
  }

  private static let slice: FilterBody = { (value, arguments, interpreter) throws(JinjaError) in
    let bound = try arguments.bound(to: "slices", "fill_with")
    let all = try items(value, interpreter)
    let slices = try bound.integer(0) ?? 0
    guard slices > 0 else { throw .runtime("the number of slices must be positive") }
    try interpreter.meter.chargeItems(slices)
    let (size, surplus) = all.count.quotientAndRemainder(dividingBy: slices)
    var start = 0
    var result: [Value] = []
    for index in 0..<slices {
      let end = start + size + (index < surplus ? 1 : 0)
      var slice = Array(all[start..<end])
      if let fill = bound.optional(1), index >= surplus { slice.append(fill) }
      result.append(try .list(slice))
      start = end
    }
    return try .generator(result)
  }

  private static let groupBy: FilterBody = { (value, arguments, interpreter) throws(JinjaError) in
    let bound = try arguments.bound(to: "attribute", "default", "case_sensitive")
    let path = try AttributePath(try bound.required(0), default: bound.optional(1))
    let key = try SortKey(
      path: path, isCaseSensitive: bound.isTrue(2), interpreter: interpreter)
    var groups: [(key: Value, items: [Value])] = []
    for item in try key.sorted(try items(value, interpreter), reverse: false) {
      let found = try path.value(in: item, interpreter)
      let compared = bound.isTrue(2) ? found : found.ignoringCase
      if let last = groups.last,
        compared.isEqual(to: bound.isTrue(2) ? last.key : last.key.ignoringCase)
      {
        groups[groups.count - 1].items.append(item)
      } else {
        groups.append((found, [item]))
      }
    }
    var result: [Value] = []
    for group in groups { result.append(try .tuple([group.key, try .list(group.items)])) }
    return try .list(result)
  }
}

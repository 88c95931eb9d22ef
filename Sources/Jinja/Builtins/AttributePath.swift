// The `attribute` argument of filters: `"function.name"` looks up members one inside the other,
// parts that are numbers are indices, and sort keys may name several with commas.

struct AttributePath {
  private let parts: [Value]
  private let standard: Value?

  /// Without an attribute, the value itself.
  init(_ attribute: Value?, default standard: Value? = nil) throws(JinjaError) {
    self.standard = standard
    switch attribute {
    case nil: parts = []
    case .string(let text): parts = Self.parts(text)
    case .integer: parts = attribute.map { [$0] } ?? []
    case .some(let other): throw .runtime("an attribute must be a string, not \(other.typeName)")
    }
  }

  private static func parts(_ text: String) -> [Value] {
    text.splitting(by: ".", limit: .max).map { part in
      let isIndex = !part.isEmpty && part.unicodeScalars.allSatisfy(\.isDigit)
      return (isIndex ? Int(part).map { .integer($0) } : nil) ?? .string(part)
    }
  }

  func value(in item: Value, _ interpreter: Interpreter) throws(JinjaError) -> Value {
    var value = item
    for part in parts {
      value = try interpreter.item(part, of: value)
      if case .undefined = value, let standard { value = standard }
    }
    return value
  }
}

/// What sequences are sorted by.
struct SortKey {
  private let paths: [AttributePath]
  private let isCaseSensitive: Bool
  private let interpreter: Interpreter

  init(
    _ attribute: Value?, isCaseSensitive: Bool, _ interpreter: Interpreter
  ) throws(JinjaError) {
    var paths: [AttributePath] = []
    switch attribute {
    case .string(let text):
      for name in text.splitting(by: ",", limit: .max) {
        paths.append(try AttributePath(.string(name)))
      }
    case nil, .some(.none): paths = [try AttributePath(nil)]
    default: paths = [try AttributePath(attribute)]
    }
    self.paths = paths
    self.isCaseSensitive = isCaseSensitive
    self.interpreter = interpreter
  }

  init(path: AttributePath, isCaseSensitive: Bool, interpreter: Interpreter) throws(JinjaError) {
    paths = [path]
    self.isCaseSensitive = isCaseSensitive
    self.interpreter = interpreter
  }

  /// Stable in both directions, as Python's sorted().
  func sorted(_ items: [Value], reverse: Bool) throws(JinjaError) -> [Value] {
    var keyed: [(key: Value, item: Value)] = []
    for item in items {
      var keys: [Value] = []
      for path in paths {
        let key = try path.value(in: item, interpreter)
        keys.append(isCaseSensitive ? key : key.ignoringCase)
      }
      keyed.append((try .list(keys), item))
    }
    let meter = interpreter.meter
    let sorted = try stablySorted(keyed) { (left, right) throws(JinjaError) in
      try meter.step()
      return reverse
        ? try right.key.isLess(than: left.key) : try left.key.isLess(than: right.key)
    }
    return sorted.map(\.item)
  }
}

extension Value {
  /// Texts in lower case; other values as they are.
  var ignoringCase: Value {
    if case .string(let text) = self { .string(text.lowercased()) } else { self }
  }
}

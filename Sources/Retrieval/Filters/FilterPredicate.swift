// A filter made ready for many documents: its constants are parsed once.
// A missing key fails every comparison but `ne` and `nin`; values of different kinds are unequal
// and have no order; two RFC 3339 strings compare as times. `a.b` names member b of a unless there
// is a key "a.b".

import JSON

struct FilterPredicate: Sendable {
  private let root: Node

  init(_ filter: Filter) { root = Node(filter) }

  func matches(_ metadata: JSONObject) -> Bool { root.matches(metadata) }
}

private indirect enum Node: Sendable {
  case comparison(FilterComparison, key: String, path: [String], constants: [Constant])
  case exists(Bool, key: String, path: [String])
  case and([Node])
  case or([Node])
  case not(Node)

  init(_ filter: Filter) {
    switch filter {
    case .and(let parts): self = .and(parts.map(Node.init))
    case .or(let parts): self = .or(parts.map(Node.init))
    case .not(let part): self = .not(Node(part))
    case .comparison(let comparison, let key, let value):
      let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      switch comparison {
      case .exists:
        self = .exists(value.bool ?? true, key: key, path: path)
      case .in, .nin:
        let constants = (value.array ?? []).map(Constant.init)
        self = .comparison(comparison, key: key, path: path, constants: constants)
      default:
        self = .comparison(comparison, key: key, path: path, constants: [Constant(value)])
      }
    }
  }

  func matches(_ metadata: JSONObject) -> Bool {
    switch self {
    case .and(let parts): parts.allSatisfy { $0.matches(metadata) }
    case .or(let parts): parts.contains { $0.matches(metadata) }
    case .not(let part): !part.matches(metadata)
    case .exists(let wanted, let key, let path):
      (Self.value(key, path, in: metadata) != nil) == wanted
    case .comparison(let comparison, let key, let path, let constants):
      Self.compare(comparison, Self.value(key, path, in: metadata), constants)
    }
  }

  private static func value(_ key: String, _ path: [String], in metadata: JSONObject) -> JSONValue?
  {
    if let value = metadata[key] { return value }
    guard path.count > 1, let first = path.first else { return nil }
    return path.dropFirst().reduce(metadata[first]) { value, name in value?[name] }
  }

  private static func compare(
    _ comparison: FilterComparison, _ found: JSONValue?, _ constants: [Constant]
  ) -> Bool {
    guard let found else { return comparison == .ne || comparison == .nin }
    func order(_ wanted: (Order) -> Bool) -> Bool {
      constants.first.flatMap { $0.order(of: found) }.map(wanted) ?? false
    }
    switch comparison {
    case .eq, .in: return constants.contains { $0.equals(found) }
    case .ne, .nin: return !constants.contains { $0.equals(found) }
    case .gt: return order { $0 == .after }
    case .gte: return order { $0 != .before }
    case .lt: return order { $0 == .before }
    case .lte: return order { $0 != .after }
    case .contains: return constants.first?.isContained(in: found) ?? false
    case .exists: return true
    }
  }
}

private enum Order { case before, same, after }

/// A value of the filter, with the instant that it names.
private struct Constant: Sendable {
  let value: JSONValue
  let timestamp: Timestamp?

  init(_ value: JSONValue) {
    self.value = value
    timestamp = value.string.flatMap(Timestamp.init)
  }

  func equals(_ found: JSONValue) -> Bool {
    switch (found, value) {
    case (.integer(let left), .integer(let right)): left == right
    case (.integer, .double), (.double, .integer), (.double, .double): found.double == value.double
    case (.string(let left), .string(let right)):
      left == right || (timestamp != nil && timestamp == Timestamp(left))
    default: found == value
    }
  }

  /// Where `found` lies as seen from the constant; nil where the two have no order.
  func order(of found: JSONValue) -> Order? {
    switch (found, value) {
    case (.integer(let left), .integer(let right)): return Self.order(left, right)
    case (.string(let left), .string(let right)):
      if let timestamp, let other = Timestamp(left) { return Self.order(other, timestamp) }
      return Self.order(left, right)
    default:
      guard let left = found.double, let right = value.double else { return nil }
      return Self.order(left, right)
    }
  }

  /// An array contains an equal element, a string contains the constant's text.
  func isContained(in found: JSONValue) -> Bool {
    switch (found, value) {
    case (.array(let elements), _): elements.contains { equals($0) }
    case (.string(let text), .string(let part)): text.contains(part)
    default: false
    }
  }

  private static func order<T: Comparable>(_ left: T, _ right: T) -> Order {
    left == right ? .same : left < right ? .before : .after
  }
}

// A filter made ready for many documents: its constants are parsed once, and where columns of values
// are at hand, each value is compared once.
// A missing key fails every comparison but `ne` and `nin`; values of different kinds are unequal
// and have no order; two RFC 3339 strings compare as times. `a.b` names member b of a unless there
// is a key "a.b".

import JSON
import SearchIndex

struct FilterPredicate: Sendable {
  private let root: Node

  init(_ filter: Filter) { root = Node(filter) }

  func matches(_ metadata: JSONObject) -> Bool { root.matches(metadata) }

  /// The first `count` documents that pass.
  func matches(_ count: Int, _ column: (MetadataPath) -> MetadataColumn) -> RowBitmap {
    root.matches(count, column)
  }
}

private indirect enum Node: Sendable {
  case comparison(FilterComparison, MetadataPath, [Constant])
  case exists(Bool, MetadataPath)
  case and([Node])
  case or([Node])
  case not(Node)

  init(_ filter: Filter) {
    switch filter {
    case .and(let parts): self = .and(parts.map(Node.init))
    case .or(let parts): self = .or(parts.map(Node.init))
    case .not(let part): self = .not(Node(part))
    case .comparison(let comparison, let key, let value):
      let path = MetadataPath(key)
      switch comparison {
      case .exists: self = .exists(value.bool ?? true, path)
      case .in, .nin: self = .comparison(comparison, path, (value.array ?? []).map(Constant.init))
      default: self = .comparison(comparison, path, [Constant(value)])
      }
    }
  }

  func matches(_ metadata: JSONObject) -> Bool {
    switch self {
    case .and(let parts): parts.allSatisfy { $0.matches(metadata) }
    case .or(let parts): parts.contains { $0.matches(metadata) }
    case .not(let part): !part.matches(metadata)
    case .exists(let wanted, let path): (path.value(in: metadata) != nil) == wanted
    case .comparison(let comparison, let path, let constants):
      Self.compare(comparison, path.value(in: metadata), constants)
    }
  }

  func matches(_ count: Int, _ column: (MetadataPath) -> MetadataColumn) -> RowBitmap {
    switch self {
    case .and(let parts): Self.combined(parts, count, column) { $0.formIntersection($1) }
    case .or(let parts): Self.combined(parts, count, column) { $0.formUnion($1) }
    case .not(let part): part.matches(count, column).inverted
    case .exists(let wanted, let path):
      Self.documents(count, column(path)) { ($0 != nil) == wanted }
    case .comparison(let comparison, let path, let constants):
      Self.documents(count, column(path)) { Self.compare(comparison, $0, constants) }
    }
  }

  private static func documents(
    _ count: Int, _ column: MetadataColumn, _ passes: (JSONValue?) -> Bool
  ) -> RowBitmap {
    RowBitmap(codes: column.codes, passing: [passes(nil)] + column.values.map(passes))
      .resized(count)
  }

  private static func combined(
    _ parts: [Node], _ count: Int, _ column: (MetadataPath) -> MetadataColumn,
    _ combine: (inout RowBitmap, RowBitmap) -> Void
  ) -> RowBitmap {
    guard var all = parts.first?.matches(count, column) else { return RowBitmap(rowCount: count) }
    for part in parts.dropFirst() { combine(&all, part.matches(count, column)) }
    return all
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

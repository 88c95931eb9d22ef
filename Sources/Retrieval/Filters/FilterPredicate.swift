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

  func matches(_ metadata: JSONNode) -> Bool { root.matches(metadata) }

  /// Those of the first `count` rows whose document passes.
  func rows(_ count: Int, _ column: (String) -> MetadataColumn) -> RowBitmap {
    root.rows(count, column)
  }
}

private indirect enum Node: Sendable {
  case comparison(FilterComparison, MetadataPath, Constants)
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
      case .in, .nin: self = .comparison(comparison, path, Constants(value.array ?? []))
      default: self = .comparison(comparison, path, Constants([value]))
      }
    }
  }

  func matches(_ metadata: JSONNode) -> Bool {
    switch self {
    case .and(let parts): parts.allSatisfy { $0.matches(metadata) }
    case .or(let parts): parts.contains { $0.matches(metadata) }
    case .not(let part): !part.matches(metadata)
    case .exists(let wanted, let path): (path.value(in: metadata) != nil) == wanted
    case .comparison(let comparison, let path, let constants):
      Self.compare(comparison, path.value(in: metadata).map(ComparedValue.init), constants)
    }
  }

  func rows(_ count: Int, _ column: (String) -> MetadataColumn) -> RowBitmap {
    switch self {
    case .and(let parts): Self.combined(parts, count, column) { $0.formIntersection($1) }
    case .or(let parts): Self.combined(parts, count, column) { $0.formUnion($1) }
    case .not(let part): part.rows(count, column).inverted
    case .exists(let wanted, let path):
      column(path.key).rows(count) { ($0 != nil) == wanted }
    case .comparison(let comparison, let path, let constants):
      Self.rows(count, column(path.key), comparison, constants)
    }
  }

  private static func rows(
    _ count: Int, _ column: MetadataColumn, _ comparison: FilterComparison, _ constants: Constants
  ) -> RowBitmap {
    // Found among any number of values without a look at each.
    switch (comparison, constants.spellings) {
    case (.eq, let values?), (.in, let values?): column.rows(count, having: values)
    case (.ne, let values?), (.nin, let values?): column.rows(count, having: values).inverted
    default: column.rows(count) { compare(comparison, $0, constants) }
    }
  }

  private static func combined(
    _ parts: [Node], _ count: Int, _ column: (String) -> MetadataColumn,
    _ combine: (inout RowBitmap, RowBitmap) -> Void
  ) -> RowBitmap {
    guard var all = parts.first?.rows(count, column) else { return RowBitmap(rowCount: count) }
    for part in parts.dropFirst() { combine(&all, part.rows(count, column)) }
    return all
  }

  private static func compare(
    _ comparison: FilterComparison, _ found: ComparedValue?, _ constants: Constants
  ) -> Bool {
    guard let found else { return comparison == .ne || comparison == .nin }
    func order(_ wanted: (Order) -> Bool) -> Bool {
      constants.order(of: found).map(wanted) ?? false
    }
    switch comparison {
    case .eq, .in: return constants.equal(found)
    case .ne, .nin: return !constants.equal(found)
    case .gt: return order { $0 == .after }
    case .gte: return order { $0 != .before }
    case .lt: return order { $0 == .before }
    case .lte: return order { $0 != .after }
    case .contains: return constants.isContained(in: found)
    case .exists: return true
    }
  }
}

/// A value that documents have, with the instant that it names.
struct ComparedValue: Sendable {
  let value: JSONValue
  let instant: Timestamp?

  init(_ value: JSONValue) {
    self.value = value
    instant = value.string.flatMap(Timestamp.init)
  }
}

private enum Order { case before, same, after }

/// The values of a comparison, with the instants that they name.
private struct Constants: Sendable {
  private let values: Set<JSONValue>
  private let instants: Set<Timestamp>
  /// What comparisons with one value compare with.
  private let first: ComparedValue?

  init(_ values: [JSONValue]) {
    self.values = Set(values.map(Self.canonical))
    instants = Set(values.compactMap { $0.string.flatMap(Timestamp.init) })
    first = values.first.map(ComparedValue.init)
  }

  /// All values that equal one of the constants; nil where there may be any number of them.
  var spellings: [JSONValue]? {
    guard instants.isEmpty else { return nil }
    return values.flatMap { value -> [JSONValue] in
      guard case .integer(let whole) = value else { return [value] }
      return [value, .double(Double(whole))].filter { Self.canonical($0) == value }
    }
  }

  /// Whole numbers are the same with and without a fraction of zero.
  private static func canonical(_ value: JSONValue) -> JSONValue {
    guard case .double(let number) = value, let whole = Int64(exactly: number) else { return value }
    return .integer(whole)
  }

  func equal(_ found: ComparedValue) -> Bool {
    values.contains(Self.canonical(found.value))
      || found.instant.map(instants.contains) ?? false
  }

  /// Where `found` lies as seen from the constant; nil where the two have no order.
  func order(of found: ComparedValue) -> Order? {
    if let left = found.instant, let right = first?.instant { return Self.order(left, right) }
    switch (found.value, first?.value) {
    case (.integer(let left), .integer(let right)): return Self.order(left, right)
    case (.string(let left), .string(let right)): return Self.order(left, right)
    default:
      guard let left = found.value.double, let right = first?.value.double else { return nil }
      return Self.order(left, right)
    }
  }

  /// An array contains an equal element, a string contains the constant's text.
  func isContained(in found: ComparedValue) -> Bool {
    switch (found.value, first?.value) {
    case (.array(let elements), _): elements.contains { equal(ComparedValue($0)) }
    case (.string(let text), .string(let part)): text.contains(part)
    default: false
    }
  }

  private static func order<T: Comparable>(_ left: T, _ right: T) -> Order {
    left == right ? .same : left < right ? .before : .after
  }
}

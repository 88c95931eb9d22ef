// Equality, order and hashing as Python has them: 1 == 1.0 == True, strings by code points (never
// by canonical equivalence, as Swift's own are), containers item by item.

extension Value {
  func isEqual(to other: Value) -> Bool {
    switch (self, other) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let left), .string(let right)): return left.hasSameScalars(as: right)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      return left === right || left.items.elementsEqual(right.items) { $0.isEqual(to: $1) }
    case (.dictionary(let left), .dictionary(let right)):
      guard left !== right else { return true }
      return left.members.count == right.members.count
        && left.members.allSatisfy { key, value in
          right.members[key]?.isEqual(to: value) ?? false
        }
    case (.range(let left), .range(let right)): return left.isEqual(to: right)
    case (.view(let left), .view(let right)): return left === right
    case (.generator(let left), .generator(let right)): return left === right
    case (.namespace(let left), .namespace(let right)): return left === right
    case (.loop(let left), .loop(let right)): return left === right
    case (.function(let left), .function(let right)): return left === right
    case (.macro(let left), .macro(let right)): return left === right
    default: break
    }
    if let left = integerValue, let right = other.integerValue { return left == right }
    guard let left = floatValue, let right = other.floatValue else { return false }
    // An integer beyond 2^53 must not equal the double that it rounds to.
    if let exact = integerValue { return right == left && Int(exactly: right) == exact }
    if let exact = other.integerValue { return right == left && Int(exactly: left) == exact }
    return left == right
  }

  /// Python's `<`; throws where the types have no order.
  func isLess(than other: Value) throws(JinjaError) -> Bool {
    switch (self, other) {
    case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw undefined.error
    case (.string(let left), .string(let right)):
      // UTF-8 keeps the order of code points.
      return left.utf8.lexicographicallyPrecedes(right.utf8)
    case (.list(let left), .list(let right)), (.tuple(let left), .tuple(let right)):
      for (left, right) in zip(left.items, right.items) where !left.isEqual(to: right) {
        return try left.isLess(than: right)
      }
      return left.items.count < right.items.count
    default: break
    }
    if let left = integerValue, let right = other.integerValue { return left < right }
    if let left = floatValue, let right = other.floatValue { return left < right }
    throw .runtime(
      "'<' not supported between instances of '\(typeName)' and '\(other.typeName)'")
  }

  /// Whether Python's `in` finds this in a container.
  func isContained(in container: Value, _ meter: Meter) throws(JinjaError) -> Bool {
    switch container {
    case .string(let text):
      if case .undefined(let undefined) = self { throw undefined.error }
      guard case .string(let part) = self else {
        throw .runtime("'in <string>' requires string as left operand, not \(typeName)")
      }
      try meter.chargeText(text.utf8.count)
      return text.firstOffset(of: part) != nil
    case .dictionary(let dictionary): return dictionary.members[try HashableValue(self)] != nil
    default:
      return try container.iterated(meter).contains { isEqual(to: $0) }
    }
  }
}

extension String {
  func hasSameScalars(as other: String) -> Bool {
    utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
  }
}

/// A value as a dictionary's key: equal values, such as 1 and True, are one key.
struct HashableValue: Hashable {
  let value: Value

  init(_ name: String) { value = .string(name) }

  init(_ value: Value) throws(JinjaError) {
    try value.checkIsHashable()
    self.value = value
  }

  static func == (left: HashableValue, right: HashableValue) -> Bool {
    left.value.isEqual(to: right.value)
  }

  func hash(into hasher: inout Hasher) { value.hash(into: &hasher) }
}

extension Value {
  fileprivate func checkIsHashable() throws(JinjaError) {
    switch self {
    case .list, .dictionary, .view: throw .runtime("unhashable type: '\(typeName)'")
    case .tuple(let list): for item in list.items { try item.checkIsHashable() }
    default: break
    }
  }

  fileprivate func hash(into hasher: inout Hasher) {
    switch self {
    case .string(let text): hasher.combine(text)
    case .tuple(let list): for item in list.items { item.hash(into: &hasher) }
    case .bool, .integer, .float:
      // As a double, because equal numbers must hash alike.
      hasher.combine(floatValue)
    default: hasher.combine(typeName)
    }
  }
}

/// Sorted with equal items left in their order; the comparison may fail.
func stablySorted<Item>(
  _ items: [Item], by isLess: (Item, Item) throws(JinjaError) -> Bool
) throws(JinjaError) -> [Item] {
  guard items.count > 1 else { return items }
  let middle = items.count / 2
  let left = try stablySorted(Array(items[..<middle]), by: isLess)
  let right = try stablySorted(Array(items[middle...]), by: isLess)
  var merged: [Item] = []
  merged.reserveCapacity(items.count)
  var (leftIndex, rightIndex) = (0, 0)
  while leftIndex < left.count && rightIndex < right.count {
    if try isLess(right[rightIndex], left[leftIndex]) {
      merged.append(right[rightIndex])
      rightIndex += 1
    } else {
      merged.append(left[leftIndex])
      leftIndex += 1
    }
  }
  return merged + left[leftIndex...] + right[rightIndex...]
}

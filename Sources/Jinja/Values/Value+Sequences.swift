// Iterating, measuring, subscripting and slicing values by Python's rules. Strings are sequences
// of Unicode scalars. Indices out of range make undefined values, never traps.

extension Value {
  /// The items that a loop sees; dictionaries give their keys, generators only once.
  func iterated(_ meter: Meter) throws(JinjaError) -> [Value] {
    switch self {
    case .undefined: return []
    case .string(let text):
      try meter.chargeItems(text.unicodeScalars.count)
      return text.unicodeScalars.map { .string(String($0)) }
    case .generator(let generator):
      let items = generator.take()
      try meter.chargeItems(items.count)
      return items
    default: break
    }
    guard isIterable else { throw .runtime("'\(typeName)' object is not iterable") }
    try meter.chargeItems(try count())
    switch self {
    case .list(let list), .tuple(let list): return list.items
    case .dictionary(let dictionary): return dictionary.members.keys.map(\.value)
    case .view(let view): return view.items
    case .range(let range): return range.items
    default: return []
    }
  }

  var isIterable: Bool {
    switch self {
    case .undefined, .list, .tuple, .dictionary, .view, .generator, .range, .string: true
    default: false
    }
  }

  /// Python's len().
  func count() throws(JinjaError) -> Int {
    switch self {
    case .undefined: return 0
    case .list(let list), .tuple(let list): return list.items.count
    case .dictionary(let dictionary): return dictionary.members.count
    case .view(let view): return view.items.count
    case .range(let range): return range.count
    case .string(let text): return text.unicodeScalars.count
    case .loop(let loop): return loop.items.count
    default: throw .runtime("object of type '\(typeName)' has no len()")
    }
  }

  /// `value[item]` without the fall back to attributes; nil where there is no such item.
  func element(_ item: Value) throws(JinjaError) -> Value? {
    switch self {
    case .undefined(let undefined): throw undefined.error
    case .list(let list), .tuple(let list):
      return item.integerValue.flatMap { position($0, in: list.items.count) }
        .map { list.items[$0] }
    case .range(let range):
      return item.integerValue.flatMap { position($0, in: range.count) }
        .map { .integer(range[$0]) }
    case .string(let text):
      guard let index = item.integerValue else { return nil }
      return text.scalar(at: index).map { .string(String($0)) }
    case .dictionary(let dictionary):
      switch item {
      case .list, .dictionary, .view: return nil
      default: return dictionary.members[try HashableValue(item)]
      }
    default: return nil
    }
  }

  /// `value[start:stop:step]`.
  func sliced(_ bounds: SliceIndices, _ meter: Meter) throws(JinjaError) -> Value {
    switch self {
    case .undefined(let undefined): throw undefined.error
    case .list(let list):
      let indices = try bounds.resolved(count: list.items.count)
      try meter.chargeItems(indices.count)
      return try .list(indices.indices.map { list.items[$0] })
    case .tuple(let list):
      let indices = try bounds.resolved(count: list.items.count)
      try meter.chargeItems(indices.count)
      return try .tuple(indices.indices.map { list.items[$0] })
    case .range(let range):
      let indices = try bounds.resolved(count: range.count)
      return .range(range.sliced(indices))
    case .string(let text):
      try meter.chargeText(text.utf8.count)
      return .string(try text.sliced(bounds))
    default: throw .runtime("'\(typeName)' object cannot be sliced")
    }
  }
}

/// A Python index as an offset: negative ones count from the end; nil out of range.
private func position(_ index: Int, in count: Int) -> Int? {
  let position = index < 0 ? index + count : index
  return (0..<count).contains(position) ? position : nil
}

struct SliceIndices {
  var start: Int?
  var stop: Int?
  var step: Int?

  /// The indices that the slice takes, as `slice.indices` computes them.
  func resolved(count: Int) throws(JinjaError) -> PythonRange {
    let step = step ?? 1
    guard step != 0 else { throw .runtime("slice step cannot be zero") }
    let lower = step < 0 ? -1 : 0
    let upper = step < 0 ? count - 1 : count
    func clamp(_ index: Int) -> Int {
      if index < 0 { return max(index < -count ? lower : index + count, lower) }
      return min(index, upper)
    }
    let first = start.map(clamp) ?? (step < 0 ? upper : lower)
    let last = stop.map(clamp) ?? (step < 0 ? lower : upper)
    // A step beyond the count takes one item at most, and could overflow.
    let bounded = max(-count - 1, min(step, count + 1))
    return PythonRange(start: first, stop: last, step: bounded)
  }
}

/// Python's range(): integers by a step that is not zero.
struct PythonRange {
  let start: Int
  let stop: Int
  let step: Int

  /// Relies on the bounds to be less than 2^62 apart, which the range function checks.
  var count: Int {
    if step > 0 { return start < stop ? (stop - start - 1) / step + 1 : 0 }
    return start > stop ? (start - stop - 1) / -step + 1 : 0
  }

  subscript(index: Int) -> Int { start + index * step }

  var indices: [Int] { (0..<count).map { self[$0] } }
  var items: [Value] { indices.map { .integer($0) } }

  func sliced(_ indices: PythonRange) -> PythonRange {
    PythonRange(
      start: start + indices.start * step, stop: start + indices.stop * step,
      step: step * indices.step)
  }

  func isEqual(to other: PythonRange) -> Bool {
    guard count == other.count else { return false }
    if count == 0 { return true }
    return start == other.start && (count == 1 || step == other.step)
  }

  var representation: String {
    step == 1 ? "range(\(start), \(stop))" : "range(\(start), \(stop), \(step))"
  }
}

extension String {
  fileprivate func scalar(at index: Int) -> Unicode.Scalar? {
    let scalars = unicodeScalars
    if index >= 0 {
      guard index < utf8.count,
        let place = scalars.index(scalars.startIndex, offsetBy: index, limitedBy: scalars.endIndex),
        place < scalars.endIndex
      else { return nil }
      return scalars[place]
    }
    guard index >= -utf8.count else { return nil }
    return scalars.index(scalars.endIndex, offsetBy: index, limitedBy: scalars.startIndex)
      .map { scalars[$0] }
  }

  fileprivate func sliced(_ bounds: SliceIndices) throws(JinjaError) -> String {
    let scalars = Array(unicodeScalars)
    let indices = try bounds.resolved(count: scalars.count)
    var result = String.UnicodeScalarView()
    if indices.step == 1 {
      if indices.start < indices.stop {
        result.append(contentsOf: scalars[indices.start..<indices.stop])
      }
    } else {
      for index in indices.indices { result.append(scalars[index]) }
    }
    return String(result)
  }
}

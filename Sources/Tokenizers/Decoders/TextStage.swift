// The running state of one decoding step over the joined text. What leaves a stage is final; bytes
// whose fate depends on what follows are held back.

struct TextStage: Sendable {
  private let step: DecodingPlan.TextStep
  private var stream = LossyUTF8Stream()
  /// Text that may still turn out to be part of a match or of the end.
  private var held: [UInt8] = []
  /// How many more scalars may be stripped from the start.
  private var startCut: Int

  init(_ step: DecodingPlan.TextStep) {
    self.step = step
    if case .strip(_, let start, _) = step { startCut = start } else { startCut = 0 }
  }

  mutating func append(_ text: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    switch step {
    case .bytes: stream.append(ByteAlphabet.bytes(of: text) ?? text, to: &output)
    case .replace(let pattern, let content):
      held += text
      output = replaceHeld(pattern, content)
    case .strip(let scalar, _, let stop):
      held += text
      while startCut > 0, held.starts(with: scalar) {
        held.removeFirst(scalar.count)
        startCut -= 1
      }
      if !held.isEmpty { startCut = 0 }
      output = releaseHeld(keeping: scalar, count: stop)
    }
    return output
  }

  mutating func finish() -> [UInt8] {
    var output: [UInt8] = []
    switch step {
    case .bytes: stream.finish(into: &output)
    case .replace: output = held
    case .strip(let scalar, _, let stop):
      var cut = 0
      while cut < stop, !held.isEmpty, held.suffix(scalar.count).elementsEqual(scalar) {
        held.removeLast(scalar.count)
        cut += 1
      }
      output = held
    }
    held.removeAll()
    return output
  }

  /// Replaces all matches and keeps back an end that may begin another.
  private mutating func replaceHeld(_ pattern: [UInt8], _ content: [UInt8]) -> [UInt8] {
    var output: [UInt8] = []
    var start = 0
    while let match = held.firstIndex(of: pattern, in: start..<held.count) {
      output += held[start..<match]
      output += content
      start = match + pattern.count
    }
    let rest = held[start...]
    let length = (1..<pattern.count).last { count in
      rest.count >= count && rest.suffix(count).elementsEqual(pattern.prefix(count))
    }
    output += rest.dropLast(length ?? 0)
    held = Array(rest.suffix(length ?? 0))
    return output
  }

  /// Releases all but the last `count` occurrences of a scalar at the end.
  private mutating func releaseHeld(keeping scalar: [UInt8], count: Int) -> [UInt8] {
    var kept = 0
    var end = held.count
    while kept < count, end >= scalar.count, held[end - scalar.count..<end].elementsEqual(scalar) {
      end -= scalar.count
      kept += 1
    }
    let output = Array(held[..<end])
    held.removeFirst(end)
    return output
  }
}

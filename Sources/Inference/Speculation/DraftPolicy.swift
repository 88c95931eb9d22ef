// How many tokens are worth drafting. A drafted token comes true with some probability and makes the
// step longer in any case; both are learned, per sequence and per engine. Nothing here changes what
// is generated: the target model decides each token, drafts only let it decide several at once.

/// How often the drafts of one sequence come true.
struct DraftAcceptance: Sendable {
  /// The probability that a drafted token is right when all before it were.
  private(set) var rate = 0.5

  /// What one more observation counts for.
  private static let weight = 0.15

  /// `right` of the first `tested` tokens were, and all before a wrong one.
  mutating func note(right: Int, of tested: Int) {
    for index in 0..<tested {
      rate += Self.weight * ((index < right ? 1 : 0) - rate)
    }
  }

  /// How many tokens to draft: as long as one more is likelier to come true than the time it takes
  /// is worth, in tokens. `cost` is its share of the time of a step without drafts, in which
  /// `sequenceCount` tokens are made.
  func worthwhileCount(cost: Double, sequenceCount: Int) -> Int {
    let worth = cost * Double(sequenceCount) * DraftCost.margin
    var probability = rate
    var count = 0
    while count < DraftCost.maximumCount, probability > worth {
      count += 1
      probability *= rate
    }
    return count
  }
}

/// What a drafted token costs, learned from how long steps take.
struct DraftCost: Sendable {
  /// Drafted tokens per sequence and step; with the token before them, what attention does at once.
  static let maximumCount = 15
  /// Gains smaller than this factor aren't sought.
  static let margin = 1.2

  /// The share of a step's time that one drafted token adds.
  private(set) var share: Double
  private let isFixed: Bool

  /// Seconds of steps without drafts, by their number of sequences.
  private var plainSeconds: [Int: Double] = [:]
  private static let weight = 0.1
  private static let shareRange = 0.01...2.0

  /// - Parameter fixedShare: what is assumed instead of learned.
  init(fixedShare: Double? = nil) {
    share = fixedShare ?? 0.15
    isFixed = fixedShare != nil
  }

  /// Takes the duration of a step that computed one token of each sequence and `draftCount` more.
  mutating func note(seconds: Double, sequenceCount: Int, draftCount: Int) {
    guard !isFixed else { return }
    guard let plain = plainSeconds[sequenceCount] else {
      if draftCount == 0 { plainSeconds[sequenceCount] = seconds }
      return
    }
    guard plain > 0, draftCount > 0 else {
      plainSeconds[sequenceCount] = plain + Self.weight * (seconds - plain)
      return
    }
    let observed = (seconds / plain - 1) / Double(draftCount)
    let bounded = min(max(observed, Self.shareRange.lowerBound), Self.shareRange.upperBound)
    share += Self.weight * (bounded - share)
    // A context that grows makes all steps longer, and there may be none without drafts for long.
    let expected = seconds / (1 + share * Double(draftCount))
    plainSeconds[sequenceCount] = plain + 0.02 * (expected - plain)
  }
}

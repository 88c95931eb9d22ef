// How many tokens of prompts a step may compute: beside running streams so many that none of these
// waits much longer for its next token than without the prompts. What a token costs depends on the
// machine, the model and the batch, so it is learnt from the steps themselves. No result depends on it.

/// Finds the number of prompt tokens with which a step takes less than twice its time without.
struct PromptPace {
  /// What prompts may add to a step, as a share of the step without them: below 1, so that a step
  /// which turns out dearer than the last still takes less than twice the time.
  private static let addedShare = 0.8
  /// After so many steps with prompts, one is left to the streams, to see how long it takes.
  private static let measuringInterval = 32
  /// In the first step after a rest. Requests that are sent together arrive one after the other, and
  /// begin together where the first has not gone far: enough tokens to make good use of a pass over the
  /// weights, too few to keep the others waiting.
  private static let firstTokens = 32

  /// By number of streams: seconds of a step without prompts.
  private var undisturbedSeconds: [Int: Double] = [:]
  private var stepsSinceMeasured = 0
  /// What the last steps suggest.
  private var tokens = 8

  /// For the next step. 0: it should be computed without prompts, to be measured.
  /// - Parameter isRested: nothing was running before.
  func promptTokens(streamCount: Int, isRested: Bool = false) -> Int {
    guard streamCount > 0 else { return isRested ? Self.firstTokens : .max }
    guard undisturbedSeconds[streamCount] != nil, stepsSinceMeasured < Self.measuringInterval else {
      return 0
    }
    // Twice the tokens take at most twice the time.
    return max(tokens, streamCount)
  }

  mutating func record(streamCount: Int, promptTokens: Int, seconds: Double) {
    guard streamCount > 0 else { return }
    if promptTokens == 0 {
      // Grows slowly: one hiccup must not open the gates.
      let known = undisturbedSeconds[streamCount] ?? seconds
      undisturbedSeconds[streamCount] = min(seconds, known * 1.25)
      stepsSinceMeasured = 0
      return
    }
    stepsSinceMeasured += 1
    // The last piece of a prompt says little about whole shares.
    guard let undisturbed = undisturbedSeconds[streamCount], promptTokens >= tokens else { return }
    let share = (seconds - undisturbed) / undisturbed
    tokens = max(1, Self.adapt(promptTokens, adding: share))
  }

  /// Tokens cost nothing measurable as long as reading weights takes longer than computing, and then
  /// more and more: growth is fast up to there and careful beyond.
  private static func adapt(_ tokens: Int, adding share: Double) -> Int {
    if share < addedShare / 3 { return max(tokens + 1, tokens * 3 / 2) }
    let change = addedShare / share
    let factor = change < 1 ? max(change, 0.5) : min((1 + change) / 2, 1.25)
    return Int((Double(tokens) * factor).rounded())
  }
}

extension StepPlan {
  /// Sequences of which only the next token was missing.
  var streamCount: Int { entries.count { $0.isStream } }
  var promptTokenCount: Int { entries.reduce(0) { $0 + ($1.isStream ? 0 : $1.span.tokens.count) } }
}

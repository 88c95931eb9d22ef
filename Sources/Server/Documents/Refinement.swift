// The refine chain: an answer from the first passage, then improved by one passage after the other.
// The last improvement is the answer itself. Passages that don't fit into a prompt beside an answer
// are left out.

struct Refinement: Sendable {
  let calls: SideCalls
  let builder: ContextBuilder
  /// Tokens of an answer on the way.
  let answerTokens: Int

  /// An answer may have more tokens in a prompt than it had when it was generated.
  private static let slack = 16

  func run(_ candidates: [PassageCandidate]) async throws -> ChainOutcome {
    let fitting = try candidates.filter {
      try builder.fits(builder.numbered([$0]), answer: "", reserve: answerTokens + Self.slack)
    }
    let passages = builder.numbered(fitting)
    guard let last = passages.last else {
      return ChainOutcome(step: .prompt(try builder.prompt([])))
    }
    var answer: String?
    for passage in passages.dropLast() {
      answer = try await calls.ask(
        .refine, prompt: try builder.prompt([passage], answer: answer),
        maximumTokens: answerTokens)
    }
    return ChainOutcome(
      step: .prompt(try builder.prompt([last], answer: answer)), used: passages)
  }
}

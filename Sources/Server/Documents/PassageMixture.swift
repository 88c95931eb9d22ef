// RAG-Token and RAG-Sequence (Lewis et al. 2020): each passage gets a prompt of its own, weighed by
// p(z|x) = softmax(dense similarity / tau) over the passages of the prompts. Passages keep their numbers,
// so that a citation means the same in all of them. As many as the engine can compute side by side are
// taken, best first.

import Inference

struct PassageMixture {
  let builder: ContextBuilder

  func run(_ candidates: [PassageCandidate]) throws -> ChainOutcome {
    let model = builder.renderer.model
    let engine = model.engine
    // An adapter's virtual tokens come before each prompt.
    let virtual = model.adapter?.adapter.virtualTokenCount ?? 0
    var fitting = try candidates.filter { try builder.fits(builder.numbered([$0])) }
    fitting = Array(fitting.prefix(engine.maximumSequences))
    var (passages, prompts) = try prompts(of: fitting)
    while prompts.count > 1,
      engine.room(sideBySide: prompts.map { $0.count + virtual }) < Self.leastAnswer
    {
      fitting.removeLast()
      (passages, prompts) = try self.prompts(of: fitting)
    }
    guard let first = prompts.first else {
      return ChainOutcome(step: .prompt(try builder.prompt([])))
    }
    let mixture = PromptMixture(
      others: Array(prompts.dropFirst()), logWeights: Self.logWeights(passages, builder.options.tau)
    )
    return ChainOutcome(step: .mixture(first, mixture), used: passages)
  }

  /// Tokens for which there has to be room behind each prompt.
  private static let leastAnswer = 32

  private func prompts(
    of candidates: [PassageCandidate]
  ) throws(APIError) -> (passages: [NumberedPassage], prompts: [[Int32]]) {
    let passages = builder.numbered(candidates)
    var prompts: [[Int32]] = []
    for passage in passages { prompts.append(try builder.prompt([passage])) }
    return (passages, prompts)
  }

  /// Not normalised: the mixture does that.
  static func logWeights(_ passages: [NumberedPassage], _ tau: Double) -> [Double] {
    let similarities = passages.map { $0.chunk.scores.dense ?? 0 }
    let greatest = similarities.max() ?? 0
    // Differences stay finite for the smallest tau.
    return similarities.map { max(($0 - greatest) / tau, -1e6) }
  }
}

// The shapes of real models, for measuring speed with random weights: what a model of that size
// would do, without downloading it. The context limit is lifted, so that any length can be tried.

import Checkpoints

package enum ModelShape: String, Sendable, CaseIterable {
  case tinyLlama1B = "tinyllama-1.1b"
  case qwen2Half = "qwen2.5-0.5b"
  case llama2Seven = "llama-2-7b"

  package var configuration: CausalLMConfiguration {
    switch self {
    case .tinyLlama1B:
      Self.make(
        vocabulary: 32000, layers: 22, hidden: 2048, intermediate: 5632, heads: 32,
        keyValueHeads: 4, epsilon: 1e-5, base: 10_000, tied: false)
    case .qwen2Half:
      Self.make(
        vocabulary: 151_936, layers: 24, hidden: 896, intermediate: 4864, heads: 14,
        keyValueHeads: 2, epsilon: 1e-6, base: 1_000_000, tied: true)
    case .llama2Seven:
      Self.make(
        vocabulary: 32000, layers: 32, hidden: 4096, intermediate: 11008, heads: 32,
        keyValueHeads: 32, epsilon: 1e-5, base: 10_000, tied: false)
    }
  }

  private static func make(
    vocabulary: Int, layers: Int, hidden: Int, intermediate: Int, heads: Int, keyValueHeads: Int,
    epsilon: Float, base: Float, tied: Bool
  ) -> CausalLMConfiguration {
    CausalLMConfiguration(
      architecture: "random", vocabularySize: vocabulary,
      contextLength: SizeLimits.context.upperBound, hiddenSize: hidden,
      intermediateSize: intermediate, headCount: heads, keyValueHeadCount: keyValueHeads,
      headDimension: hidden / heads,
      layers: Array(repeating: CausalLMConfiguration.Layer(), count: layers),
      normalization: .rms(epsilon: epsilon), tiedEmbeddings: tied,
      rotary: [RotaryEmbedding(width: hidden / heads, base: base, scaling: .none)],
      attentionScale: 1 / Float(hidden / heads).squareRoot(), feedForward: .gated(.silu),
      bosTokenID: 1, eosTokenIDs: [])
  }
}

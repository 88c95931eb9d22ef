// The transformer as the engine's language model: names only, since both sides agree on the rest.
// Its forward pass is batch-invariant and may be repeated, as the engine relies on.

package import Transformer

extension CausalLM: LanguageModel {
  package var recomputationLength: Int? {
    configuration.rotary.lazy.compactMap(\.lengthLimit).first
  }

  package var vocabularySize: Int { configuration.vocabularySize }
  package var contextLength: Int { configuration.contextLength }
  package var blockSize: Int { KVCache.blockSize }
  package var endOfSequenceTokens: Set<Int32> { Set(configuration.eosTokenIDs) }

  package func copyBlock(from source: Int32, to target: Int32, in cache: KVCache) {
    cache.copyBlock(from: source, to: target)
  }
}

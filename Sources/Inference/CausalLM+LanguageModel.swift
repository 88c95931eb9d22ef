// The transformer as the engine's language model.

package import Transformer

extension CausalLM: LanguageModel {
  package var vocabularySize: Int { configuration.vocabularySize }
  package var contextLength: Int { configuration.contextLength }
  package var blockSize: Int { KVCache.blockSize }
  package var endOfSequenceTokens: Set<Int32> { Set(configuration.eosTokenIDs) }
}

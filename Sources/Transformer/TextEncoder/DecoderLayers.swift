// The layers of a decoder for a model that embeds texts with one (Qwen3-Embedding, for one): the same
// families as for generating, in float32, without a head. Refuses what they refuse.

import Checkpoints
import Compute
import ModelFamilies

struct DecoderLayers: Sendable {
  let decoder: Decoder
  let rotations: [RotaryFrequencies]
  let configuration: CausalLMConfiguration
  /// The weights', for what tells models apart.
  let files: [MappedFile]

  init(directory: String, family: ModelFamily, pool: ThreadPool) throws(ModelError) {
    let model = try ModelFiles(path: directory)
    var configuration = try family.configuration(model.configuration)
    // No head is read: what stands in for one is not used.
    configuration.tiedEmbeddings = true
    let names = family.names(configuration)
    var checkpoint = try model.checkpoint(names: names)
    if !checkpoint.hasEmbeddings { checkpoint = try model.checkpoint(names: names.withoutHead) }
    let source = WeightSource.checkpoint(checkpoint)
    let layout = try WeightLayout(
      WeightManifest(configuration), scheme: .none, keepsQuantized: false, source: source)
    let (weights, _) = try WeightStore.find(
      nil, layout: layout, source: source, pool: pool,
      availableMemoryByteCount: Processor.availableMemoryByteCount)
    var builder = DecoderBuilder(
      configuration: configuration, scheme: .none, weights: weights, pool: pool,
      progress: { _ in })
    decoder = try builder.build()
    rotations = configuration.rotary.map(RotaryFrequencies.init)
    files = checkpoint.files
    self.configuration = configuration
  }
}

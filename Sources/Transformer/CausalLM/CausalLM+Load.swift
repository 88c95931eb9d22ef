// Making a model: from a Hugging Face directory, or of random weights in a real model's shape. All
// of config.json and all tensors' shapes are checked before the first weight is read.

package import Checkpoints
package import Compute
package import ModelFamilies
package import Quantization

extension CausalLM {
  /// - Parameters:
  ///   - requested: nil keeps what is stored quantised where a format holds it exactly, and takes the
  ///     checkpoint's preferred scheme for the rest
  ///   - contextLimit: the model's own context length is lowered to this
  ///   - cache: where packed weights of an earlier start may be; nil quantises always
  ///   - progress: told the share that is loaded, from 0 to 1, on the calling thread
  package static func load(
    directory: String, requested: QuantizationScheme?, contextLimit: Int? = nil,
    cache: PackedWeightCache? = nil, pool: ThreadPool,
    availableMemoryByteCount: Int = Processor.availableMemoryByteCount,
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) throws(ModelError) -> CausalLM {
    let files = try ModelFiles(path: directory)
    let (family, configuration) = try readConfiguration(files, contextLimit: contextLimit)
    let names = family.names(configuration)
    let checkpoint = try files.checkpoint(names: names)
    let source = WeightSource.checkpoint(checkpoint)
    let scheme = requested ?? checkpoint.preferredScheme
    let layout = try WeightLayout(
      WeightManifest(configuration), scheme: scheme, keepsQuantized: requested == nil,
      source: source)
    // Float32 weights are twice as large as their source: reading that again is faster.
    let cache = scheme == .none ? nil : cache
    let entry = try cache?.entry(
      modelDirectory: directory, scheme: scheme, checkpoint: checkpoint, layout: layout, pool: pool)
    let (weights, origin) = try WeightStore.find(
      entry, layout: layout, source: source, pool: pool,
      availableMemoryByteCount: availableMemoryByteCount)
    return try CausalLM(
      builder: DecoderBuilder(
        configuration: configuration, scheme: scheme, weights: weights, pool: pool,
        progress: progress),
      names: names, origin: origin)
  }

  /// The same in a scheme, whatever the checkpoint is stored in.
  package static func load(
    directory: String, scheme: QuantizationScheme, contextLimit: Int? = nil,
    cache: PackedWeightCache? = nil, pool: ThreadPool,
    availableMemoryByteCount: Int = Processor.availableMemoryByteCount,
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) throws(ModelError) -> CausalLM {
    try load(
      directory: directory, requested: Optional(scheme), contextLimit: contextLimit, cache: cache,
      pool: pool, availableMemoryByteCount: availableMemoryByteCount, progress: progress)
  }

  /// What a model's directory says of it, without loading weights.
  package static func configuration(directory: String) throws(ModelError) -> CausalLMConfiguration {
    try readConfiguration(ModelFiles(path: directory), contextLimit: nil).1
  }

  /// Weights that mean nothing, for measuring speed.
  package static func random(
    shape: ModelShape, scheme: QuantizationScheme, pool: ThreadPool
  ) throws(ModelError) -> CausalLM {
    try random(configuration: shape.configuration, scheme: scheme, pool: pool)
  }

  static func random(
    configuration: CausalLMConfiguration, scheme: QuantizationScheme, pool: ThreadPool
  ) throws(ModelError) -> CausalLM {
    let source = WeightSource.random(stored: .bfloat16)
    let layout = try WeightLayout(
      WeightManifest(configuration), scheme: scheme, source: source)
    let (weights, origin) = try WeightStore.find(
      nil, layout: layout, source: source, pool: pool,
      availableMemoryByteCount: Processor.availableMemoryByteCount)
    return try CausalLM(
      builder: DecoderBuilder(
        configuration: configuration, scheme: scheme, weights: weights, pool: pool,
        progress: { _ in }),
      origin: origin)
  }

  private static func readConfiguration(_ files: ModelFiles, contextLimit: Int?)
    throws(ModelError) -> (ModelFamily, CausalLMConfiguration)
  {
    let family = try ModelFamily.of(files.configuration)
    var configuration = try family.configuration(files.configuration)
    configuration.generationDefaults = try files.generationDefaults()
    configuration.eosTokenIDs =
      configuration.generationDefaults.eosTokenIDs ?? configuration.eosTokenIDs
    if let contextLimit {
      configuration.contextLength = min(configuration.contextLength, max(1, contextLimit))
    }
    return (family, configuration)
  }
}

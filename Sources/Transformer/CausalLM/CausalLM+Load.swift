// Making a model: from a Hugging Face directory, or of random weights in a real model's shape. All
// of config.json and all tensors' shapes are checked before the first weight is read.

package import Compute

extension CausalLM {
  static let configurationName = "config.json"

  /// - Parameters:
  ///   - contextLimit: the model's own context length is lowered to this
  ///   - progress: told the share that is loaded, from 0 to 1, on the calling thread
  package static func load(
    directory: String, scheme: QuantizationScheme, contextLimit: Int? = nil, pool: ThreadPool,
    progress: @escaping @Sendable (Double) -> Void = { _ in }
  ) throws(ModelError) -> CausalLM {
    let (family, configuration) = try readConfiguration(
      directory: directory, contextLimit: contextLimit)
    let checkpoint = try Checkpoint(directory: directory)
    return try CausalLM(
      builder: DecoderBuilder(
        configuration: configuration, names: family.tensorNames, scheme: scheme,
        source: .checkpoint(checkpoint), pool: pool, progress: progress))
  }

  /// What a model's directory says of it, without loading weights.
  package static func configuration(directory: String) throws(ModelError) -> CausalLMConfiguration {
    try readConfiguration(directory: directory, contextLimit: nil).1
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
    try CausalLM(
      builder: DecoderBuilder(
        configuration: configuration, names: ModelFamily.ofRandomWeights.tensorNames,
        scheme: scheme, source: .random(stored: .bfloat16), pool: pool, progress: { _ in }))
  }

  private static func readConfiguration(directory: String, contextLimit: Int?)
    throws(ModelError) -> (ModelFamily, CausalLMConfiguration)
  {
    guard directoryExists(directory) else { throw .missingDirectory(path: directory) }
    let file = try ConfigurationFile(
      path: directory + "/" + configurationName,
      remedy: "a model directory in Hugging Face layout has one")
    let family = try ModelFamily.of(file)
    var configuration = try family.configuration(file)
    configuration.generationDefaults = try GenerationDefaults.load(directory: directory)
    configuration.eosTokenIDs =
      configuration.generationDefaults.eosTokenIDs ?? configuration.eosTokenIDs
    if let contextLimit {
      configuration.contextLength = min(configuration.contextLength, max(1, contextLimit))
    }
    return (family, configuration)
  }
}

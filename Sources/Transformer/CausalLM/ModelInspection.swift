// What a model is made of and what it would take to load it, found out without reading a weight.
// Relies on the same code that loading starts with, so that what is refused here is refused there.

package import Checkpoints
import Compute
import ModelFamilies
package import Quantization

package struct ModelInspection: Sendable {
  package let architecture: String
  package let parameterCount: Int
  /// Parameters by the type that the files store them in.
  package let parametersByType: [String: Int]
  /// Bytes of all weight files.
  package let fileByteCount: Int
  package let layerCount: Int
  /// Tokens of one sequence at most.
  package let contextLength: Int
  /// What is loaded where no scheme is asked for.
  package let preferred: Requirement
  /// One per scheme.
  package let schemes: [Requirement]

  /// Memory that a model takes in a scheme.
  package struct Requirement: Sendable {
    package let scheme: QuantizationScheme
    package let weightByteCount: Int
    /// Keys and values of one token.
    package let cacheBytesPerToken: Int

    package func byteCount(contextLength: Int) -> Int {
      weightByteCount + cacheBytesPerToken * contextLength
    }
  }

  /// Throws what loading would throw, but for memory that is missing.
  package init(path: String) throws(ModelError) {
    let files = try ModelFiles(path: path)
    let family = try ModelFamily.of(files.configuration)
    let configuration = try family.configuration(files.configuration)
    let checkpoint = try files.checkpoint(names: family.names(configuration))
    let manifest = WeightManifest(configuration)
    var types: [String: Int] = [:]
    for item in manifest.items {
      let tensor = try checkpoint.tensor(item.name, shape: item.shape)
      types[tensor.elements.typeName, default: 0] += item.elementCount
    }
    func requirement(_ scheme: QuantizationScheme, keepsQuantized: Bool) throws(ModelError)
      -> Requirement
    {
      let layout = try WeightLayout(
        manifest, scheme: scheme, keepsQuantized: keepsQuantized, source: .checkpoint(checkpoint))
      let cache = KVCache.Layout(
        layerCount: configuration.layerCount,
        keyValueHeadCount: configuration.keyValueHeadCount,
        headDimension: configuration.headDimension, halfPrecision: scheme.halfPrecisionCache)
      return Requirement(
        scheme: scheme, weightByteCount: layout.byteCount,
        cacheBytesPerToken: cache.blockBytes / KVCache.blockSize)
    }
    architecture = configuration.architecture
    parameterCount = manifest.parameterCount
    parametersByType = types
    fileByteCount = checkpoint.files.reduce(0) { $0 + $1.byteCount }
    layerCount = configuration.layerCount
    contextLength = configuration.contextLength
    preferred = try requirement(checkpoint.preferredScheme, keepsQuantized: true)
    var schemes: [Requirement] = []
    for scheme in QuantizationScheme.allCases {
      schemes.append(try requirement(scheme, keepsQuantized: false))
    }
    self.schemes = schemes
  }
}

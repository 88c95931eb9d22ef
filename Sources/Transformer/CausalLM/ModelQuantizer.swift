// `martlet quantize`: any model that loads becomes a Hugging Face directory of stored codes. Tensors
// go one after the other, so that memory never holds more than one; there is a whole model in the end
// or none (`ModelDirectoryWriter`). Refuses a target that exists, and the scheme that quantises
// nothing.

package import Checkpoints
package import Compute
import JSON
import ModelFamilies
package import Quantization

package struct ModelQuantizer: Sendable {
  private let files: ModelFiles
  private let checkpoint: Checkpoint
  private let manifest: WeightManifest
  private let scheme: QuantizationScheme

  /// Checks everything that can be wrong with the source.
  package init(source: String, scheme: QuantizationScheme) throws(ModelError) {
    precondition(scheme != .none)
    files = try ModelFiles(path: source)
    let family = try ModelFamily.of(files.configuration)
    let configuration = try family.configuration(files.configuration)
    manifest = WeightManifest(configuration)
    checkpoint = try files.checkpoint(names: family.names(configuration))
    self.scheme = scheme
    _ = try WeightLayout(manifest, scheme: scheme, source: .checkpoint(checkpoint))
  }

  /// - Parameters:
  ///   - target: of a directory that does not exist yet
  ///   - extraFiles: names and contents of files that the source doesn't have as such
  ///   - progress: told the share that is written, from 0 to 1, on the calling thread
  package func write(
    to target: String, extraFiles: [(name: String, bytes: [UInt8])] = [], pool: ThreadPool,
    progress: (Double) -> Void = { _ in }
  ) throws(ModelError) {
    try ModelDirectoryWriter(target: target).write(
      like: files, extraFiles: extraFiles, configuration: configuration()
    ) { (path) throws(ModelError) in
      try writeWeights(to: path, pool: pool, progress: progress)
    }
  }

  private func configuration() -> [UInt8] {
    var root = files.configuration.root
    root["compression_config"] = nil
    root["quantization_config"] = MartletCheckpoint.configuration(scheme)
    return JSONValue.object(root).serialized() + [UInt8(ascii: "\n")]
  }

  // Weights ----------------------------------------------------------------------------------------

  private func format(of item: WeightManifest.Item) throws(ModelError) -> WeightFormat {
    let stored = try checkpoint.tensor(item.name, shape: item.shape).format
    guard let role = item.role else { return stored.isQuantized ? .float32 : stored }
    return scheme.format(of: role, columns: item.shape[1], stored: stored)
  }

  private func tensors(of item: WeightManifest.Item) throws(ModelError)
    -> [SafetensorsWriter.Tensor]
  {
    let format = try format(of: item)
    guard item.role != nil else {
      return [.init(name: item.name, elementType: format.elementType, shape: item.shape)]
    }
    return StoredMatrix.tensors(
      name: item.name, rows: item.shape[0], columns: item.shape[1], format: format,
      nested: try plainAbsmax(of: item) == nil)
  }

  /// Of a matrix that is nf4 already, but not double-quantised: its scales are kept.
  private func plainAbsmax(of item: WeightManifest.Item) throws(ModelError) -> BlockAbsmax? {
    try checkpoint.tensor(item.name, shape: item.shape).plainAbsmax
  }

  private func writeWeights(to path: String, pool: ThreadPool, progress: (Double) -> Void)
    throws(ModelError)
  {
    var tensors: [SafetensorsWriter.Tensor] = []
    for item in manifest.items { tensors += try self.tensors(of: item) }
    let writer = try SafetensorsWriter(path: path, tensors: tensors)
    var done = 0
    for item in manifest.items {
      try write(item, to: writer, pool: pool)
      done += item.elementCount
      progress(Double(done) / Double(manifest.parameterCount))
    }
    try writer.finish()
  }

  private func write(
    _ item: WeightManifest.Item, to writer: SafetensorsWriter, pool: ThreadPool
  ) throws(ModelError) {
    let format = try format(of: item)
    guard item.role != nil else {
      let tensor = try checkpoint.tensor(item.name, shape: item.shape)
      try writer.append(tensor.values(), as: format)
      return
    }
    let matrix = try WeightSource.checkpoint(checkpoint).matrix(
      item.name, rows: item.shape[0], columns: item.shape[1], format: format, pool: pool)
    let absmax = try format == .nf4 ? plainAbsmax(of: item) : nil
    try StoredMatrix(
      name: item.name, matrix: matrix, plainAbsmax: absmax.map { $0.values(0..<$0.count) }
    ).write(to: writer)
  }
}

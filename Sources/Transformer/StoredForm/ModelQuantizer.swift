// `martlet quantize`: any model that loads becomes a Hugging Face directory of stored codes. Tensors
// go one after the other, so that memory never holds more than one. All is written into a directory
// beside the target, flushed and renamed: there is a whole model or none. Refuses a target that
// exists, and the scheme that quantises nothing.

package import Compute
import Glibc
import JSON

package struct ModelQuantizer: Sendable {
  private let files: ModelFiles
  private let checkpoint: Checkpoint
  private let manifest: WeightManifest
  private let scheme: QuantizationScheme

  /// Beside the weights: what a model directory consists of.
  private static let copiedSuffixes = [".json", ".txt", ".model", ".jinja", ".tiktoken", ".md"]
  private static let leftOut = [CausalLM.configurationName, "quantize_config.json"]

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
    guard !fileExists(target) else {
      throw .unwritableFile(path: target, reason: "it exists already; name another or remove it")
    }
    let partial = target + ".partial-\(getpid())"
    guard mkdir(partial, 0o755) == 0 else { throw .unwritable(partial) }
    do throws(ModelError) {
      try copyFiles(to: partial)
      for file in extraFiles { try writeFile(file.bytes, to: partial + "/" + file.name) }
      try writeFile(configuration(), to: partial + "/" + CausalLM.configurationName)
      try writeWeights(to: partial + "/" + Checkpoint.fileName, pool: pool, progress: progress)
      try flushDirectory(partial)
      guard rename(partial, target) == 0 else { throw .unwritable(target) }
      try flushDirectory(Self.parent(of: target))
    } catch {
      for name in fileNames(in: partial) { unlink(partial + "/" + name) }
      rmdir(partial)
      throw error
    }
  }

  private func configuration() -> [UInt8] {
    var root = files.configuration.root
    root["compression_config"] = nil
    root["quantization_config"] = [
      "quant_method": .string(MartletCheckpoint.method),
      "version": .integer(Int64(MartletCheckpoint.version)), "scheme": .string(scheme.rawValue),
    ]
    return JSONValue.object(root).serialized() + [UInt8(ascii: "\n")]
  }

  private func copyFiles(to directory: String) throws(ModelError) {
    guard directoryExists(files.path) else { return }
    for name in fileNames(in: files.path) {
      let isIndex = name.hasSuffix(".index.json")
      let isCopied = Self.copiedSuffixes.contains { name.hasSuffix($0) } || name == "LICENSE"
      guard isCopied, !isIndex, !Self.leftOut.contains(name),
        !directoryExists(files.path + "/" + name)
      else { continue }
      let file = try MappedFile(path: files.path + "/" + name, remedy: "it was there a moment ago")
      try writeFile(file.withBytes { Array($0) }, to: directory + "/" + name)
    }
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
    let elements = try checkpoint.tensor(item.name, shape: item.shape).elements
    guard let stored = elements as? FourBitElements, stored.exactFormat == .nf4 else { return nil }
    return stored.absmax.isNested ? nil : stored.absmax
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

  private func flushDirectory(_ path: String) throws(ModelError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unwritable(path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .unwritable(path) }
  }

  private static func parent(of path: String) -> String {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let parent = parts.joined(separator: "/")
    return parent.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : parent
  }
}

// `martlet merge`: a model with an adapter's changes in its weights becomes a Hugging Face directory
// of its own, in the base's element types and under its tensors' own names. Tensors go one after the
// other, a few rows at a time. Quantised bases are dequantised. Refuses adapters that can't be in
// weights: virtual tokens, and biases where the base has none.

package import Checkpoints
package import Compute
import JSON
import ModelFamilies
import Quantization

package struct AdapterMerger: Sendable {
  private let files: ModelFiles
  private let checkpoint: Checkpoint
  private let adapter: AdapterContents
  private let tensors: [MergedTensor]
  private let modules: [String: AdaptableModule]
  private let untiesHead: Bool

  /// What was quantised in the base and is not any more; nil for a base of plain numbers.
  package var dequantized: String? { checkpoint.isQuantized ? outputType.rawValue : nil }

  /// Of what was quantised.
  private let outputType: ElementType

  /// A tensor of the result.
  fileprivate struct MergedTensor: Sendable {
    var name: String
    /// In the base.
    var source: String
    var shape: [Int]

    /// The module's name and what the tensor is of it.
    var module: (name: String, part: String) {
      guard let dot = name.lastIndex(of: ".") else { return (name, "") }
      return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }

    var elementCount: Int { shape.reduce(1, *) }
  }

  /// Checks everything that can be wrong with base and adapter.
  package init(base: String, adapter directory: String) throws(ModelError) {
    files = try ModelFiles(path: base)
    let family = try ModelFamily.of(files.configuration)
    let configuration = try family.configuration(files.configuration)
    let settings = try AdapterConfiguration(directory: directory)
    switch settings.method {
    case .prompt, .prefix:
      throw .unsuitableAdapter(
        path: directory,
        reason: "virtual tokens are no weights that could be merged; serve it with --adapter")
    case .lowRank, .scaling: break
    }
    checkpoint = try files.checkpoint(names: nil)
    outputType = try Self.outputType(files.configuration)
    let names = StoredNames(family.names(configuration), of: checkpoint)
    var tensors = try Self.tensors(of: checkpoint) {
      names.tensors(of: WeightManifest(configuration))
    }
    let tied = configuration.tiedEmbeddings
    if tied {
      tensors.removeAll { $0.name == names.head }
      if let embedding = tensors.first(where: { $0.name == names.embedding }) {
        tensors.append(
          MergedTensor(name: names.head, source: embedding.name, shape: embedding.shape))
      }
    }
    modules = Self.modules(
      tensors, names, transposed: names.transposedModules(of: WeightManifest(configuration)))
    adapter = try AdapterContents(
      directory: directory, configuration: settings, modules: modules, promptWidth: 0,
      prefixWidth: 0)
    let (embedding, head) = (Self.module(names.embedding), Self.module(names.head))
    let changesEnds = adapter.changes[embedding] != nil || adapter.changes[head] != nil
    if adapter.tiesWeights, changesEnds {
      throw .unsuitableAdapter(
        path: adapter.path,
        reason: "ensure_weight_tying with weights of embeddings or head is not supported")
    }
    untiesHead = tied && changesEnds
    if tied, !untiesHead { tensors.removeAll { $0.name == names.head } }
    self.tensors = tensors
    try refuseMissingBiases()
  }

  /// - Parameters:
  ///   - target: of a directory that does not exist yet
  ///   - extraFiles: names and contents of files that the base doesn't have as such
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
    root["quantization_config"] = nil
    root["compression_config"] = nil
    if untiesHead { root["tie_word_embeddings"] = false }
    return JSONValue.object(root).serialized(pretty: true) + [UInt8(ascii: "\n")]
  }

  // What there is ----------------------------------------------------------------------------------

  /// All tensors of a checkpoint of plain numbers; of a quantised one those that the model has.
  private static func tensors(of checkpoint: Checkpoint, needed: () -> [MergedTensor])
    throws(ModelError) -> [MergedTensor]
  {
    guard !checkpoint.isQuantized else { return needed() }
    return checkpoint.tensorNames.compactMap { name in
      checkpoint.stored(name).map { MergedTensor(name: name, source: name, shape: $0.shape) }
    }
  }

  private static func module(_ weight: String) -> String {
    MergedTensor(name: weight, source: weight, shape: []).module.name
  }

  private static func modules(
    _ tensors: [MergedTensor], _ names: StoredNames, transposed: Set<String>
  ) -> [String: AdaptableModule] {
    let all = Set(tensors.map(\.name))
    var result: [String: AdaptableModule] = [:]
    for tensor in tensors where tensor.module.part == "weight" {
      let kind: AdaptableModule.Kind =
        switch tensor.name {
        case names.embedding: .embedding
        case names.head: .head
        default: tensor.shape.count == 2 ? .linear : .norm
        }
      let isTransposed = transposed.contains(tensor.module.name)
      result[tensor.module.name] = AdaptableModule(
        kind: kind, shape: isTransposed ? tensor.shape.reversed() : tensor.shape,
        hasBias: all.contains(tensor.module.name + ".bias"), isTransposed: isTransposed)
    }
    return result
  }

  private func refuseMissingBiases() throws(ModelError) {
    let all = Set(tensors.map(\.name))
    let changed = adapter.changes.filter { $0.value.lowRank?.bias != nil }
    for name in changed.keys.sorted() where !all.contains(name + ".bias") {
      throw .unsuitableAdapter(
        path: adapter.path,
        reason:
          "it adds a bias to \(name), which has none, so that it can't be merged; serve it with "
          + "--adapter")
    }
  }

  /// As config.json names the type that the model computes in.
  private static func outputType(_ file: ConfigurationFile) throws(ModelError) -> ElementType {
    let older = try file.string("torch_dtype")
    switch try file.string("dtype") ?? older {
    case "float32": return .float32
    case "bfloat16": return .bfloat16
    default: return .float16
    }
  }

  // Weights ----------------------------------------------------------------------------------------

  /// Nil for what is no number that an adapter could change, and is copied as it is.
  private func tensor(_ tensor: MergedTensor) throws(ModelError) -> CheckpointTensor? {
    if !checkpoint.isQuantized, let stored = checkpoint.stored(tensor.source),
      FloatElements(stored) == nil
    {
      return nil
    }
    return try checkpoint.tensor(tensor.source, shape: tensor.shape)
  }

  private func elementType(of tensor: MergedTensor) throws(ModelError) -> ElementType {
    guard let source = try self.tensor(tensor) else {
      return checkpoint.stored(tensor.source)?.elementType ?? .uint8
    }
    return source.format.isQuantized || source.elements is any QuantizedElements
      ? outputType : source.format.elementType
  }

  private func writeWeights(to path: String, pool: ThreadPool, progress: (Double) -> Void)
    throws(ModelError)
  {
    var announced: [SafetensorsWriter.Tensor] = []
    for tensor in tensors {
      announced.append(
        .init(name: tensor.name, elementType: try elementType(of: tensor), shape: tensor.shape))
    }
    let writer = try SafetensorsWriter(path: path, tensors: announced)
    let total = tensors.reduce(0) { $0 + $1.elementCount }
    var done = 0
    for (tensor, place) in zip(tensors, announced) {
      try write(tensor, as: place.elementType, to: writer, pool: pool)
      done += tensor.elementCount
      progress(Double(done) / Double(max(1, total)))
    }
    try writer.finish()
  }

  private func write(
    _ tensor: MergedTensor, as type: ElementType, to writer: SafetensorsWriter, pool: ThreadPool
  ) throws(ModelError) {
    guard let source = try self.tensor(tensor) else {
      let stored = checkpoint.stored(tensor.source)
      return try writer.append(stored?.withBytes { Array($0) } ?? [])
    }
    let (module, part) = tensor.module
    let change = adapter.changes[module] ?? ModuleChange()
    let format = type.weightFormat ?? .float32
    guard tensor.shape.count == 2, part == "weight" else {
      let values =
        part == "bias" ? change.merged(bias: source.values()) : (change.weight ?? source).values()
      return try writer.append(values, as: format)
    }
    let known = modules[module]
    let merged = MergedWeight(
      source, change,
      isTransposed: known?.kind == .embedding || known?.isTransposed ?? false)
    let step = max(1, Self.valuesAtOnce / max(1, merged.columns))
    for start in stride(from: 0, to: merged.rows, by: step) {
      let rows = start..<min(merged.rows, start + step)
      let count = rows.count * merged.columns
      let values = [Float](unsafeUninitializedCapacity: count) { buffer, used in
        if let base = buffer.baseAddress { merged.read(rows, into: base, pool: pool) }
        used = count
      }
      try writer.append(values, as: format)
    }
  }

  /// Converted at a time.
  private static let valuesAtOnce = 4 << 20
}

/// How the base's own checkpoint calls what `TensorName` names.
private struct StoredNames {
  private let names: CheckpointNames
  private let prefix: String

  init(_ names: CheckpointNames, of checkpoint: Checkpoint) {
    self.names = names
    prefix =
      names.prefixes.first { checkpoint.contains($0 + names.embedding + ".weight") }
      ?? names.prefixes.first ?? ""
  }

  var embedding: String { stored(TensorName.embedding + ".weight").name }
  var head: String { stored(TensorName.head + ".weight").name }

  private func stored(_ name: String) -> (name: String, part: StoredPart) {
    names.stored(name, prefix: prefix) ?? (name, StoredPart(name))
  }

  /// The stored tensors that a model's are, or are cut from.
  func tensors(of manifest: WeightManifest) -> [AdapterMerger.MergedTensor] {
    var shapes: [String: [Int]] = [:]
    for item in manifest.items {
      let (name, part) = stored(item.name)
      var shape = item.shape
      if let rows = part.rows { shape[0] = rows.storedCount }
      shapes[name] = part.isTransposed ? shape.reversed() : shape
    }
    return shapes.sorted { $0.key < $1.key }.map {
      AdapterMerger.MergedTensor(name: $0.key, source: $0.key, shape: $0.value)
    }
  }

  /// The modules whose weights are stored the other way round.
  func transposedModules(of manifest: WeightManifest) -> Set<String> {
    Set(
      manifest.items.compactMap { item in
        let (name, part) = stored(item.name)
        let isWeight = part.isTransposed && name.hasSuffix(".weight")
        return isWeight ? String(name.dropLast(".weight".count)) : nil
      })
  }
}

// The folder of packed weights that earlier starts left behind. A file serves one model directory in
// one scheme; its name and description hold what the packed bytes depend on: the source files'
// identity, the layout, and how this build packs. Any of it changing makes a new file and removes
// the old one. Everything in the folder can be deleted at any time.

import Checkpoints
import Compute
import FoundationEssentials
import Glibc
import Quantization

package struct PackedWeightCache: Sendable {
  package let directory: String

  package init(directory: String) { self.directory = directory }

  /// The place of one model's weights in the cache.
  struct Entry: Sendable {
    let cache: PackedWeightCache
    let file: PackedWeightFile
    let identity: CheckpointIdentity
    /// What the names of all files of the same model directory begin with.
    let modelPrefix: String
    /// The same of the same source in whatever layout; others are of a source that is no more.
    let sourcePrefix: String
    let schemePrefix: String
  }

  private static let suffix = ".packed"

  /// Nil where the checkpoint is being changed just now.
  func entry(
    modelDirectory: String, scheme: QuantizationScheme, checkpoint: Checkpoint,
    layout: WeightLayout, pool: ThreadPool
  ) throws(ModelError) -> Entry? {
    guard let identity = CheckpointIdentity(checkpoint.files) else { return nil }
    let packing = try PackingFingerprint.text(of: layout.formats, pool: pool)
    var tensors = ""
    for slot in layout.slots {
      let place = try checkpoint.tensor(slot.name, shape: slot.shape).place
      tensors +=
        "tensor \(slot.name) \(slot.format?.rawValue ?? "vector") \(slot.shape) "
        + "\(slot.bytes) from \(place)\n"
    }
    let description = "martlet packed weights\n" + packing + identity.description + tensors
    let model = Self.modelName(modelDirectory) + "."
    let source = model + Checksum.hexadecimal(Checksum.of(identity.description)) + "."
    let scheme = source + scheme.rawValue + "."
    let name = scheme + Checksum.hexadecimal(Checksum.of(description)) + Self.suffix
    return Entry(
      cache: self,
      file: PackedWeightFile(
        path: directory + "/" + name, description: description, dataByteCount: layout.byteCount),
      identity: identity, modelPrefix: model, sourcePrefix: source, schemePrefix: scheme)
  }

  /// A readable name that differs for each directory.
  private static func modelName(_ directory: String) -> String {
    let path = realpath(directory, nil).map { resolved in
      defer { free(resolved) }
      return String(cString: resolved)
    }
    let last = (path ?? directory).split(separator: "/").last ?? "model"
    let readable = last.unicodeScalars.prefix(40).map {
      $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil)
        ? Character($0) : "-"
    }
    return String(readable) + "-" + Checksum.hexadecimal(Checksum.of(path ?? directory)).prefix(8)
  }
}

extension PackedWeightCache.Entry {
  /// Writes the weights for the next start, removing first what they replace. Throws where the
  /// folder can't be written or the source has changed meanwhile; nothing is left behind then.
  func save(_ data: UnsafeRawBufferPointer) throws(PackedWeightFile.Failure) {
    guard identity.isCurrent else {
      throw .unusable(reason: "the model's files were changed while they were read")
    }
    do {
      try FileManager.default.createDirectory(
        atPath: cache.directory, withIntermediateDirectories: true)
    } catch {
      throw .unusable(reason: "\(cache.directory) can't be made: \(error)")
    }
    removeOutdated()
    try file.write(data)
  }

  /// Removes files of this model that no start will use again, and those of writers that died.
  private func removeOutdated() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: cache.directory)) ?? []
    for name in names {
      let path = cache.directory + "/" + name
      if name.hasSuffix(PackedWeightFile.partialSuffix) {
        PackedWeightFile.removeIfAbandoned(path)
      } else if isOutdated(name) {
        unlink(path)
      }
    }
  }

  /// Of this model, but of other source files; or of these in the same scheme, packed otherwise.
  private func isOutdated(_ name: String) -> Bool {
    guard name.hasPrefix(modelPrefix) else { return false }
    return !name.hasPrefix(sourcePrefix) || name.hasPrefix(schemePrefix)
  }
}

// Writing a model's directory so that there is a whole one or none: into a directory beside the
// target, flushed and renamed. Refuses a target that exists.

import Glibc

package struct ModelDirectoryWriter {
  /// Beside the weights: what a model directory consists of.
  private static let copiedSuffixes = [".json", ".txt", ".model", ".jinja", ".tiktoken", ".md"]
  private static let leftOut = [ModelFiles.configurationName, "quantize_config.json"]

  let target: String

  package init(target: String) { self.target = target }

  /// A model like another one but for its weights, with the same files beside them.
  /// - Parameters:
  ///   - extraFiles: names and contents of files that the other one doesn't have as such
  ///   - weights: writes the file of that path
  package func write(
    like model: ModelFiles, extraFiles: [(name: String, bytes: [UInt8])], configuration: [UInt8],
    weights: (_ path: String) throws(ModelError) -> Void
  ) throws(ModelError) {
    try write { (directory) throws(ModelError) in
      try copyFiles(of: model, to: directory)
      for file in extraFiles { try writeFile(file.bytes, to: directory + "/" + file.name) }
      try writeFile(configuration, to: directory + "/" + ModelFiles.configurationName)
      try weights(directory + "/" + Checkpoint.fileName)
    }
  }

  /// Calls `fill` with the path of an empty directory that will become the target.
  private func write(_ fill: (_ directory: String) throws(ModelError) -> Void) throws(ModelError) {
    guard !fileExists(target) else {
      throw .unwritableFile(path: target, reason: "it exists already; name another or remove it")
    }
    let partial = target + ".partial-\(getpid())"
    guard mkdir(partial, 0o755) == 0 else { throw .unwritable(partial) }
    do throws(ModelError) {
      try fill(partial)
      try flushDirectory(partial)
      guard rename(partial, target) == 0 else { throw .unwritable(target) }
      try flushDirectory(parent)
    } catch {
      for name in fileNames(in: partial) { unlink(partial + "/" + name) }
      rmdir(partial)
      throw error
    }
  }

  /// Tokenizer, template and the like; not the configuration, nor anything about weights.
  private func copyFiles(of model: ModelFiles, to directory: String) throws(ModelError) {
    guard directoryExists(model.path) else { return }
    for name in fileNames(in: model.path) {
      let isIndex = name.hasSuffix(".index.json")
      let isCopied = Self.copiedSuffixes.contains { name.hasSuffix($0) } || name == "LICENSE"
      guard isCopied, !isIndex, !Self.leftOut.contains(name),
        !directoryExists(model.path + "/" + name)
      else { continue }
      let file = try MappedFile(path: model.path + "/" + name, remedy: "it was there a moment ago")
      try writeFile(file.withBytes { Array($0) }, to: directory + "/" + name)
    }
  }

  private func flushDirectory(_ path: String) throws(ModelError) {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unwritable(path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .unwritable(path) }
  }

  private var parent: String {
    let parts = target.split(separator: "/", omittingEmptySubsequences: false).dropLast()
    let parent = parts.joined(separator: "/")
    return parent.isEmpty ? (target.hasPrefix("/") ? "/" : ".") : parent
  }
}

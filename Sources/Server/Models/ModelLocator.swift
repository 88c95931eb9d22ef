// Finds the directory behind what `--model` or `--embedding-model` says: a path, a name in the models
// folder, or the name of a model on the hub that `martlet pull` or Hugging Face's tools have fetched. A
// model is a directory with config.json, or a GGUF file or a directory with one. Refuses what is none of
// them, saying where it looked.

import Checkpoints
import FoundationEssentials
import Hub
import Transformer

struct ModelLocator: Sendable {
  /// Folder of named models, as configured.
  let folder: String
  /// Models from the hub.
  var cache = HubCache(environment: ProcessInfo.processInfo.environment)

  struct NotFound: Error, CustomStringConvertible {
    let name: String
    let places: [String]
    /// What to do about it.
    let remedy: String

    var description: String {
      "No model '\(name)': looked for config.json or a .gguf file in "
        + places.joined(separator: " and ") + "." + remedy
    }
  }

  /// The directory for an explicitly named model.
  func directory(of name: String) throws(NotFound) -> String {
    let places = name.contains("/") ? [name] : [name, folder + "/" + name]
    if let directory = places.first(where: holdsModel) { return directory }
    guard let reference = try? ModelReference(name) else {
      throw NotFound(name: name, places: places, remedy: "")
    }
    do throws(HubError) {
      if let path = try cache.path(of: reference) { return path }
    } catch {
      throw NotFound(name: name, places: places + [cache.directory], remedy: " But \(error).")
    }
    throw NotFound(
      name: name, places: places + [cache.directory],
      remedy: " If it is a model on the hub, 'martlet pull \(name)' fetches it.")
  }

  /// The directory of a default model, nil where it isn't installed.
  func defaultDirectory(_ name: String) -> String? {
    let directory = folder + "/" + name
    return holdsModel(directory) ? directory : nil
  }

  /// What the API calls the model in `directory`: its last path component, or that of its name on the
  /// hub.
  static func id(of directory: String) -> String {
    let isFile = directory.hasSuffix(".gguf")
    let directory = isFile ? directory : HubCache.modelName(ofSnapshot: directory) ?? directory
    let last = directory.split(separator: "/").last { $0 != "." }.map(String.init) ?? directory
    return last.hasSuffix(".gguf") ? String(last.dropLast(".gguf".count)) : last
  }

  private func holdsModel(_ directory: String) -> Bool {
    let files = FileManager.default
    if files.fileExists(atPath: directory + "/config.json") { return true }
    do throws(ModelError) {
      return try GGUFFile.path(at: directory).map(files.fileExists) ?? false
    } catch {
      // Several files: loading says which.
      return true
    }
  }
}

// Finds the directory behind what `--model` or `--embedding-model` says: a path, or a name in the
// models folder. A model is a directory with config.json, or a GGUF file or a directory with one.
// Refuses what is none of them, saying where it looked.

import FoundationEssentials
import Transformer

struct ModelLocator: Sendable {
  /// Folder of named models, as configured.
  let folder: String

  struct NotFound: Error, CustomStringConvertible {
    let name: String
    let places: [String]

    var description: String {
      "No model '\(name)': looked for config.json or a .gguf file in "
        + places.joined(separator: " and ") + "."
    }
  }

  /// The directory for an explicitly named model.
  func directory(of name: String) throws(NotFound) -> String {
    let places = name.contains("/") ? [name] : [name, folder + "/" + name]
    guard let directory = places.first(where: holdsModel) else {
      throw NotFound(name: name, places: places)
    }
    return directory
  }

  /// The directory of a default model, nil where it isn't installed.
  func defaultDirectory(_ name: String) -> String? {
    let directory = folder + "/" + name
    return holdsModel(directory) ? directory : nil
  }

  /// What the API calls the model in `directory`: its last path component.
  static func id(of directory: String) -> String {
    let last = directory.split(separator: "/").last { $0 != "." }.map(String.init) ?? directory
    return last.hasSuffix(".gguf") ? String(last.dropLast(".gguf".count)) : last
  }

  private func holdsModel(_ directory: String) -> Bool {
    let files = FileManager.default
    if files.fileExists(atPath: directory + "/config.json") { return true }
    // Several files are refused later, by their names.
    guard let path = try? GGUFFile.path(at: directory) else { return false }
    return files.fileExists(atPath: path)
  }
}

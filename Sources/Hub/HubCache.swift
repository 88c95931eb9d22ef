// The cache of models that Hugging Face's own tools use and fill, in the same layout:
// `models--organisation--name/{blobs,refs,snapshots}`, where a snapshot's files are relative links to blobs
// named by their hash (https://huggingface.co/docs/huggingface_hub/guides/manage-cache). Reading is all
// that happens here; a missing or damaged entry is as good as none.

import FoundationEssentials

package struct HubCache: Sendable {
  package let directory: String

  package init(directory: String) { self.directory = directory }

  /// Where HF_HUB_CACHE, HF_HOME and XDG_CACHE_HOME say, as in huggingface_hub.
  package init(environment: [String: String]) {
    func value(_ name: String) -> String? {
      guard let text = environment[name], !text.isEmpty else { return nil }
      return Self.expanded(text, environment)
    }
    directory =
      value("HF_HUB_CACHE") ?? value("HUGGINGFACE_HUB_CACHE") ?? Self.home(environment) + "/hub"
  }

  /// The folder of Hugging Face's tools, in which the access token lies as well.
  static func home(_ environment: [String: String]) -> String {
    func value(_ name: String) -> String? {
      guard let text = environment[name], !text.isEmpty else { return nil }
      return expanded(text, environment)
    }
    return value("HF_HOME") ?? (value("XDG_CACHE_HOME") ?? expanded("~/.cache", environment))
      + "/huggingface"
  }

  private static func expanded(_ path: String, _ environment: [String: String]) -> String {
    guard path == "~" || path.hasPrefix("~/") else { return path }
    let home =
      environment["HOME"] ?? FileManager.default.homeDirectoryForCurrentUser.path
    return home + path.dropFirst()
  }

  /// What to load for a model: its snapshot's folder, or a GGUF file in it. Nil where the cache lacks it.
  /// Throws where it has several variants and the reference names none of them.
  package func path(of reference: ModelReference) throws(HubError) -> String? {
    let repository = CachedRepository(cache: directory, name: reference.name)
    guard let commit = repository.commit(of: reference.revision) else { return nil }
    let snapshot = repository.snapshot(commit)
    let names = CachedRepository.files(in: snapshot)
    guard !names.isEmpty else { return nil }
    if reference.variant == nil, !FileSelection.isGGUFOnly(names) { return snapshot }
    guard names.contains(where: GGUFVariants.isVariant) else { return nil }
    let files = try GGUFVariants.files(reference.variant, among: names, model: reference.name)
    return files.first.map { snapshot + "/" + $0 }
  }

  /// The name of the model whose snapshot, or a file in it, the path leads to.
  package static func modelName(ofSnapshot path: String) -> String? {
    let parts = path.split(separator: "/")
    guard let index = parts.lastIndex(of: "snapshots"), index > 0, index + 1 < parts.count,
      parts[index - 1].hasPrefix(CachedRepository.prefix)
    else { return nil }
    return parts[index - 1].dropFirst(CachedRepository.prefix.count)
      .split(separator: "--").joined(separator: "/")
  }
}

/// Where a model's parts lie in the cache.
struct CachedRepository: Sendable {
  static let prefix = "models--"

  let folder: String
  private let locks: String

  init(cache: String, name: String) {
    let folderName = Self.prefix + name.split(separator: "/").joined(separator: "--")
    folder = cache + "/" + folderName
    locks = cache + "/.locks/" + folderName
  }

  func blob(_ hash: String) -> String { "\(folder)/blobs/\(hash)" }
  func partialBlob(_ hash: String) -> String { "\(folder)/blobs/\(hash).incomplete" }
  func lock(_ hash: String) -> String { "\(locks)/\(hash).lock" }
  func snapshot(_ commit: String) -> String { "\(folder)/snapshots/\(commit)" }
  func reference(_ revision: String) -> String { "\(folder)/refs/\(revision)" }

  /// A link to a blob, seen from a file of a snapshot.
  static func link(from file: String, to hash: String) -> String {
    String(repeating: "../", count: file.split(separator: "/").count + 1) + "blobs/\(hash)"
  }

  /// The commit that a revision stood for when it was last fetched.
  func commit(of revision: String) -> String? {
    if Self.isCommit(revision) { return revision }
    let text = try? String(contentsOfFile: reference(revision), encoding: .utf8)
    let commit = text.map { String($0.prefix { !$0.isWhitespace }) }
    return commit.flatMap { Self.isCommit($0) ? $0 : nil }
  }

  static func isCommit(_ text: String) -> Bool {
    text.utf8.count == 40 && HubDigest.isHexadecimal(text)
  }

  /// Relative names of all files in a folder whose content is there.
  static func files(in folder: String) -> [String] {
    let manager = FileManager.default
    let names = (try? manager.subpathsOfDirectory(atPath: folder)) ?? []
    return names.sorted().filter { name in
      var isFolder = false
      return manager.fileExists(atPath: folder + "/" + name, isDirectory: &isFolder) && !isFolder
    }
  }
}

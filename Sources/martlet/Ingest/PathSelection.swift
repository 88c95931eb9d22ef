// Which files of the paths named on the command line are read: files as they are named, folders with
// all below them that some extractor reads, less what is hidden, excluded or not included. Links to
// folders are not followed.

import Documents
import FoundationEssentials

struct PathSelection: Sendable {
  let paths: [String]
  let include: [GlobPattern]
  let exclude: [GlobPattern]

  init(paths: [String], include: [String], exclude: [String]) {
    self.paths = paths.map { $0.count > 1 && $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    self.include = include.map { GlobPattern($0) }
    self.exclude = exclude.map { GlobPattern($0) }
  }

  /// The files there are now, in the order of the paths, those of a folder by name.
  func files() throws(CommandFailure) -> [String] {
    var files: [String] = []
    for path in paths {
      switch Self.kind(of: path) {
      case .folder: files += filesBelow(path, of: path)
      case .file: files.append(path)
      case nil: throw .failure("there is no file or folder '\(path)'")
      }
    }
    return files
  }

  /// The files of folders that are left out only because no extractor reads their ending.
  func otherFiles() -> [String] {
    folders.flatMap { filesBelow($0, of: $0) { !Extractors.reads(fileName: $0) } }
  }

  /// Those of the paths that are folders.
  var folders: [String] { paths.filter { Self.kind(of: $0) == .folder } }

  /// The files at and below a path that lies in one of the folders; none where it is gone or left out.
  func files(at path: String) -> [String] {
    guard let folder = folders.first(where: { path == $0 || path.hasPrefix($0 + "/") }) else {
      return paths.contains(path) && Self.kind(of: path) == .file ? [path] : []
    }
    switch Self.kind(of: path) {
    case .folder: return filesBelow(path, of: folder)
    case .file: return takes(path, of: folder) ? [path] : []
    case nil: return []
    }
  }

  // MARK: Folders

  private enum Kind { case file, folder }

  private static func kind(of path: String) -> Kind? {
    var isFolder = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return nil }
    return isFolder ? .folder : .file
  }

  private func filesBelow(
    _ path: String, of folder: String, where isMeant: (String) -> Bool = Extractors.reads(fileName:)
  ) -> [String] {
    guard isOpen(path, of: folder) else { return [] }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.sorted().flatMap { name -> [String] in
      let child = path == "/" ? "/" + name : path + "/" + name
      guard Self.kind(of: child) == .folder else {
        return takes(child, of: folder, where: isMeant) ? [child] : []
      }
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: child)) != nil
      return isLink ? [] : filesBelow(child, of: folder, where: isMeant)
    }
  }

  /// Whether folders at this place are looked into.
  private func isOpen(_ path: String, of folder: String) -> Bool {
    guard path != folder else { return true }
    let relative = path.dropFirst(folder.count + 1)
    return !relative.split(separator: "/").contains { $0.hasPrefix(".") }
      && !exclude.contains { $0.matches(String(relative)) }
  }

  private func takes(
    _ path: String, of folder: String, where isMeant: (String) -> Bool = Extractors.reads(fileName:)
  ) -> Bool {
    let relative = String(path.dropFirst(folder.count + 1))
    let parts = relative.split(separator: "/")
    guard !parts.contains(where: { $0.hasPrefix(".") }), isMeant(relative) else {
      return false
    }
    // A folder that is excluded excludes what is in it.
    let prefixes = parts.indices.map { parts[...$0].joined(separator: "/") }
    guard !prefixes.contains(where: { prefix in exclude.contains { $0.matches(prefix) } }) else {
      return false
    }
    return include.isEmpty || include.contains { $0.matches(relative) }
  }
}

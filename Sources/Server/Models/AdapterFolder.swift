// The folder from which adapters may be loaded by request: nothing outside of it, neither by `..` nor
// by a link. Relies on whoever writes to the folder not changing it in the moment between.

import Glibc
import Transformer

struct AdapterFolder: Sendable {
  /// Nil: no adapter may be loaded.
  let path: String?

  /// The directory of an adapter.
  /// - Parameter relative: its path within the folder
  func directory(of relative: String) throws(APIError) -> String {
    guard let path, let root = resolve(path) else {
      throw APIError(
        status: 403, type: "invalid_request_error",
        message: "This server loads no adapters by request. Start it with --adapter-directory DIR.",
        code: "no_adapter_directory")
    }
    let parts = relative.split(separator: "/", omittingEmptySubsequences: false)
    guard !relative.isEmpty, !relative.utf8.contains(0),
      parts.allSatisfy({ !["", ".", ".."].contains($0) })
    else {
      throw .invalid(
        "path must name a directory within the adapter directory, without '..'.", param: "path")
    }
    let directory = path + "/" + relative
    guard let resolved = resolve(directory) else {
      throw .notFound(
        "There is no '\(relative)' in the adapter directory.", param: "path",
        code: "adapter_not_found")
    }
    for place in [resolved] + Adapter.fileNames.compactMap({ resolve(resolved + "/" + $0) }) {
      guard place.hasPrefix(root == "/" ? root : root + "/") else {
        throw .invalid(
          "'\(relative)' leads out of the adapter directory.", param: "path")
      }
    }
    return resolved
  }

  /// Without links; nil where there is no such file.
  private func resolve(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }
}

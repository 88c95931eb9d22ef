// Putting a file that was written aside in its place so that it is there after a power failure:
// the file is synced, renamed, and its folder synced.

import Glibc

enum DurableFile {
  /// Syncs a file or a folder.
  static func sync(_ path: String) throws(RetrievalError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, errno) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure(path, errno) }
  }

  /// Renames a synced file; what was at `path` is replaced at once or not at all.
  static func move(_ aside: String, to path: String) throws(RetrievalError) {
    guard rename(aside, path) == 0 else {
      let error = errno
      unlink(aside)
      throw failure(path, error)
    }
    let folder = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
    try sync(folder.isEmpty ? (path.hasPrefix("/") ? "/" : ".") : folder)
  }

  private static func failure(_ path: String, _ error: Int32) -> RetrievalError {
    .refused(path, error)
      ?? .storageFailure(path: path, message: String(cString: strerror(error)))
  }
}

// The data directory and the claim of one process on it: an exclusive flock on `<data>/lock`, which
// goes away with the process however that ends. The file says who holds it: process id and URL.
// Refuses a directory that can't be made or written, with path, user id and remedy.

import FoundationEssentials
import Glibc

package final class DataDirectory: Sendable {
  package let path: String
  private let lock: Int32

  static let databaseName = "martlet.sqlite"

  var databasePath: String { path + "/" + Self.databaseName }

  /// Whether nothing would be lost with what is in it: a restore that was cut short leaves its copy.
  var isEmpty: Bool {
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return entries.allSatisfy {
      ["lock", "cache", "indexes"].contains($0) || $0.hasPrefix(Self.databaseName + ".restoring")
    }
  }

  /// Makes the directory where it is missing and claims it. `holder` is what a second process is
  /// told, usually the server's URL.
  package init(claiming path: String, holder: String) throws(RetrievalError) {
    self.path = path
    try Self.makeDirectory(path)
    let lockPath = path + "/lock"
    let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw Self.unusable(path, "can't open \(lockPath)", errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let error = errno
      let other = Self.contents(of: descriptor)
      close(descriptor)
      guard error == EWOULDBLOCK else { throw Self.unusable(path, "can't lock \(lockPath)", error) }
      throw .dataDirectoryInUse(path: path, holder: other)
    }
    lock = descriptor  // From here on, deinit closes it, also where this throws.
    let text = Array("process \(getpid()), \(holder)\n".utf8)
    // The text only helps to explain a refusal: where it can't be written, the lock still holds.
    guard ftruncate(lock, 0) == 0 else { return }
    _ = pwrite(lock, text, text.count, 0)
  }

  deinit { close(lock) }

  /// Who claims the directory now; nil: nobody.
  static func holder(of path: String) -> String? {
    let descriptor = open(path + "/lock", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    // A claim in this moment would be refused because of ours: it is over at once, and shared.
    guard flock(descriptor, LOCK_SH | LOCK_NB) != 0 else { return nil }
    return contents(of: descriptor)
  }

  private static func contents(of descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 512)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let line = bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") }
    return line.isEmpty ? "another process" : String(decoding: line, as: UTF8.self)
  }

  /// mkdir -p.
  private static func makeDirectory(_ path: String) throws(RetrievalError) {
    guard !path.isEmpty else {
      throw .dataDirectoryUnusable(path: "\"\"", message: "its path is empty; name one with --data")
    }
    var made = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      made += part + "/"
      if mkdir(made, 0o755) == 0 || errno == EEXIST { continue }
      // A parent that can't be written but is there already is none of our business.
      let error = errno
      var status = stat()
      if stat(made, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { continue }
      throw unusable(path, "can't make \(made.dropLast())", error)
    }
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw unusable(path, "something else is there", ENOTDIR)
    }
  }

  private static func unusable(_ path: String, _ what: String, _ error: Int32) -> RetrievalError {
    let reason = String(cString: strerror(error))
    let remedy =
      switch error {
      case EROFS: "the disk is mounted read-only: choose a directory on another one with --data"
      case ENOSPC, EDQUOT: "the disk is full: free some space"
      case ENOTDIR, ENOENT, ENAMETOOLONG, ELOOP: "name another one with --data"
      default:
        """
        this process runs as user id \(geteuid()): make the directory writable for it \
        (chown \(geteuid()) \(path)), or choose another one with --data
        """
      }
    return .dataDirectoryUnusable(path: path, message: "\(what): \(reason); \(remedy)")
  }
}

// SQLite's own file layer with its syncs counted and, on demand, its writes failing: what reaches
// the disk can't be seen from above. Installed once as the default of the process; files are told
// apart by the directory that they are in, so tests can run side by side.

import GRDBSQLite
import Glibc
import Synchronization

enum WatchedFileSystem {
  fileprivate struct State {
    var paths: [UInt: String] = [:]
    /// The real functions of a file, by our copy of them.
    var originals: [UInt: sqlite3_io_methods] = [:]
    /// Our copy, by the real one.
    var copies: [UInt: UInt] = [:]
    var syncs: [String: Int] = [:]
    var writeFailures: [String: Int32] = [:]
  }

  fileprivate static let state = Mutex(State())
  fileprivate static let defaultName = String(cString: sqlite3_vfs_find(nil).pointee.zName)

  /// Becomes the default; databases opened from now on are watched.
  static func install() { _ = installed }

  private static let installed: Bool = {
    let name = defaultName
    guard let original = sqlite3_vfs_find(name) else { return false }
    let watched = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
    watched.initialize(to: original.pointee)
    watched.pointee.pNext = nil
    watched.pointee.zName = UnsafePointer(strdup("watched"))
    watched.pointee.xOpen = open
    return sqlite3_vfs_register(watched, 1) == SQLITE_OK
  }()

  /// Calls of fsync or fdatasync for files under the directory.
  static func syncCount(under directory: String) -> Int {
    state.withLock { state in
      state.syncs.reduce(0) { $0 + ($1.key.hasPrefix(directory) ? $1.value : 0) }
    }
  }

  /// Writes under the directory answer `code` from now on; nil lets them through again.
  static func failWrites(under directory: String, with code: Int32?) {
    state.withLock { $0.writeFailures[directory] = code }
  }

  fileprivate static func original(_ file: UnsafeMutablePointer<sqlite3_file>)
    -> sqlite3_io_methods?
  {
    let methods = UInt(bitPattern: file.pointee.pMethods)
    return state.withLock { $0.originals[methods] }
  }
}

private let open:
  @convention(c) (
    UnsafeMutablePointer<sqlite3_vfs>?, UnsafePointer<CChar>?, UnsafeMutablePointer<sqlite3_file>?,
    Int32, UnsafeMutablePointer<Int32>?
  ) -> Int32 = { _, name, file, flags, outFlags in
    guard let real = sqlite3_vfs_find(WatchedFileSystem.defaultName), let file else {
      return SQLITE_ERROR
    }
    let result = real.pointee.xOpen(real, name, file, flags, outFlags)
    guard result == SQLITE_OK, let methods = file.pointee.pMethods else { return result }
    WatchedFileSystem.state.withLock { state in
      state.paths[UInt(bitPattern: file)] = name.map { String(cString: $0) } ?? ""
      if state.copies[UInt(bitPattern: methods)] == nil {
        let copy = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
        copy.initialize(to: methods.pointee)
        copy.pointee.xSync = sync
        copy.pointee.xWrite = write
        state.copies[UInt(bitPattern: methods)] = UInt(bitPattern: copy)
        state.originals[UInt(bitPattern: copy)] = methods.pointee
      }
      let copy = state.copies[UInt(bitPattern: methods)] ?? 0
      file.pointee.pMethods = UnsafePointer(bitPattern: copy)
    }
    return result
  }

private let sync: @convention(c) (UnsafeMutablePointer<sqlite3_file>?, Int32) -> Int32 = {
  file, flags in
  guard let file, let original = WatchedFileSystem.original(file) else { return SQLITE_ERROR }
  WatchedFileSystem.state.withLock { state in
    state.syncs[state.paths[UInt(bitPattern: file)] ?? "", default: 0] += 1
  }
  return original.xSync(file, flags)
}

private let write:
  @convention(c) (
    UnsafeMutablePointer<sqlite3_file>?, UnsafeRawPointer?, Int32, sqlite3_int64
  ) -> Int32 = { file, bytes, count, offset in
    guard let file, let original = WatchedFileSystem.original(file) else { return SQLITE_ERROR }
    let failure = WatchedFileSystem.state.withLock { state in
      let path = state.paths[UInt(bitPattern: file)] ?? ""
      return state.writeFailures.first { path.hasPrefix($0.key) }?.value
    }
    return failure ?? original.xWrite(file, bytes, count, offset)
  }

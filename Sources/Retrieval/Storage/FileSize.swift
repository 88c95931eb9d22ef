// Sizes of files, and how much more a file system takes; 0 where there is none.

import Glibc

enum FileSize {
  static func bytes(_ path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
  }

  /// Bytes that may still be written beside this file.
  static func available(_ path: String) -> Int {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return 0 }
    let bytes = status.f_bavail.multipliedReportingOverflow(by: status.f_frsize)
    return bytes.overflow ? .max : Int(clamping: bytes.partialValue)
  }
}

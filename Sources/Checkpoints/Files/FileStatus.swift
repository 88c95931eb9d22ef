// What a file system says of a file by which a change of its content is noticed: every write moves
// the change time on, which nobody can set back, and a replaced file is another inode. Devices are
// left out: their numbers differ from one mount, boot or container to the next.

import Glibc

package struct FileStatus: Sendable, Hashable {
  let inode: UInt
  let byteCount: Int
  /// Nanoseconds since 1970.
  let modified: Int
  let changed: Int

  init(_ status: stat) {
    inode = UInt(status.st_ino)
    byteCount = status.st_size
    modified = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
    changed = status.st_ctim.tv_sec * 1_000_000_000 + status.st_ctim.tv_nsec
  }

  /// Nil where there is no such file.
  init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  /// Nanoseconds within which a second write may leave the times as the first one did: a tick of the
  /// kernel's clock, or two seconds on file systems that store whole seconds.
  private var granularity: Int { changed % 1_000_000_000 == 0 ? 2_000_000_000 : 20_000_000 }

  /// Returns once a further write could not go unnoticed.
  func waitUntilTimesTell() {
    var now = timespec()
    guard clock_gettime(CLOCK_REALTIME, &now) == 0 else { return }
    let age = now.tv_sec * 1_000_000_000 + now.tv_nsec - changed
    guard age >= 0, age < granularity else { return }
    usleep(UInt32((granularity - age) / 1000 + 1))
  }
}

// One pull at a time for each file of the cache: a lock on `.locks/…/HASH.lock`, as Hugging Face's tools
// take it (flock). Ends with the process, however that ends. Not waited for in the kernel, so that the
// caller can say what it waits for.

import CLinux
import Glibc

final class BlobLock {
  private var descriptor: Int32

  /// Nil where another process holds it.
  init?(path: String) throws(HubError) {
    while true {
      let descriptor = clinux_open(path, O_RDWR | O_CREAT, 0o664)
      guard descriptor >= 0 else { throw .fileFailure(path: path, code: -descriptor) }
      let code = -clinux_lock_exclusively(descriptor)
      if code == 0, Self.isCurrent(descriptor, path) {
        self.descriptor = descriptor
        return
      }
      _ = close(descriptor)
      switch code {
      // Locked, but the file was deleted meanwhile: the next one to come would lock another.
      case 0, EINTR: continue
      case EWOULDBLOCK: return nil
      default: throw .fileFailure(path: path, code: code)
      }
    }
  }

  deinit { release() }

  func release() {
    if descriptor >= 0 { _ = close(descriptor) }
    descriptor = -1
  }

  private static func isCurrent(_ descriptor: Int32, _ path: String) -> Bool {
    var (held, named) = (stat(), stat())
    return fstat(descriptor, &held) == 0 && stat(path, &named) == 0
      && held.st_ino == named.st_ino && held.st_dev == named.st_dev
  }
}

// Where the float32 values of vectors lie. Their codes, which every search reads, are in memory always;
// the values themselves are read for a few rows of each search.
// On disk they are in files without a name, one per segment: mapped, so that the system keeps of them
// what is used and has memory for, and gone with the process. Their space is claimed first, so that a
// full disk is refused then and doesn't end the process later.

import Compute
import Glibc

package enum VectorStorage: Sendable, Hashable {
  case memory
  /// In files of a folder that is there.
  case disk(folder: String)

  /// Zeroed room for values, and what keeps it.
  func room(byteCount: Int) throws(ComputeError) -> (
    owner: AnyObject, pointer: UnsafeMutableRawPointer
  ) {
    switch self {
    case .memory:
      let buffer = try AlignedBuffer(byteCount: byteCount)
      return (buffer, buffer.pointer)
    case .disk(let folder):
      let file = try NamelessFile(byteCount: byteCount, folder: folder)
      return (file, file.pointer)
    }
  }
}

private final class NamelessFile {
  let pointer: UnsafeMutableRawPointer
  private let byteCount: Int

  init(byteCount: Int, folder: String) throws(ComputeError) {
    let path = "\(folder)/vectors-\(UInt64.random(in: 0 ... .max))"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw .diskNotClaimed(folder: folder, byteCount: byteCount, code: errno)
    }
    defer { close(descriptor) }
    unlink(path)
    let code = posix_fallocate(descriptor, 0, byteCount)
    guard code == 0 else {
      throw .diskNotClaimed(folder: folder, byteCount: byteCount, code: code)
    }
    let address = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
    guard let address, address != MAP_FAILED else {
      throw .diskNotClaimed(folder: folder, byteCount: byteCount, code: errno)
    }
    pointer = address
    self.byteCount = byteCount
  }

  deinit { munmap(pointer, byteCount) }
}

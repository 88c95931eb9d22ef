// A regular file mapped into memory for reading. Relies on the file keeping its length while it is
// mapped: who shortens a checkpoint under a running server kills it (SIGBUS), as with any program
// that maps files. Refuses directories, pipes and empty files.

import Glibc

package final class MappedFile: Sendable {
  package let path: String
  package let byteCount: Int
  /// When it was opened.
  package let status: FileStatus
  // SAFETY: the mapping is read-only and lives until deinit; readers hold the object.
  package nonisolated(unsafe) let base: UnsafeRawPointer

  package init(path: String, remedy: String) throws(ModelError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw errno == ENOENT
        ? .missingFile(path: path, remedy: remedy)
        : .unreadableFile(path: path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unreadableFile(path: path, reason: String(cString: strerror(errno)))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadableFile(path: path, reason: "it is not a regular file")
    }
    guard status.st_size > 0 else {
      throw .unreadableFile(path: path, reason: "it is empty")
    }
    let mapping = mmap(nil, status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let mapping, mapping != MAP_FAILED else {
      throw .unreadableFile(path: path, reason: String(cString: strerror(errno)))
    }
    self.path = path
    byteCount = status.st_size
    self.status = FileStatus(status)
    base = UnsafeRawPointer(mapping)
  }

  deinit {
    munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
  }

  /// The file's bytes; the pointer is valid within `body` only.
  package func withBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E)
    -> R
  {
    defer { withExtendedLifetime(self) {} }
    return try body(UnsafeRawBufferPointer(start: base, count: byteCount))
  }
}

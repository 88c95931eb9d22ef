// What can go wrong below the models: memory, threads. Each message says what to do.

package enum ComputeError: Error, Equatable, CustomStringConvertible {
  case outOfMemory(byteCount: Int)
  case diskNotClaimed(folder: String, byteCount: Int, code: Int32)
  case threadNotStarted(name: String, code: Int32)

  package var description: String {
    switch self {
    case .outOfMemory(let byteCount):
      "The system has no \(byteCount >> 20) MiB of memory left to give. Use a smaller model or "
        + "context, or a format of fewer bits."
    case .diskNotClaimed(let folder, let byteCount, let code):
      "\(folder) has no room for a file of \(byteCount >> 20) MiB (error \(code)). Free space there, or "
        + "keep vectors in memory."
    case .threadNotStarted(let name, let code):
      "The thread \"\(name)\" could not be started (error \(code)). Raise the limit of processes "
        + "(ulimit -u, pids.max) or use fewer threads."
    }
  }
}

// Tells which paths below some folders changed, through inotify(7). Changes are gathered until it has
// been quiet for a moment, so that a file that is written in steps is read once. Relies on the caller
// to look at what is there: a path that is told may be a file, a folder, or gone.

import Compute
import FoundationEssentials
import Glibc
import Synchronization

final class FolderWatcher: Sendable {
  /// Sets of changed paths, each below one of the folders or one of them.
  let changes: AsyncStream<Set<String>>

  fileprivate static let quietMilliseconds: Int32 = 300
  /// Changes that never end are told this often.
  fileprivate static let longestMilliseconds = 5000

  private let thread: ComputeThread
  private let isStopped: StopFlag

  /// Watches from now on. Refuses folders that can't be watched, and more than the system allows.
  init(folders: [String]) throws(CommandFailure) {
    let (stream, continuation) = AsyncStream<Set<String>>.makeStream()
    changes = stream
    let descriptor = inotify_init1(Int32(IN_CLOEXEC | IN_NONBLOCK))
    guard descriptor >= 0 else {
      throw .failure("folders can't be watched: \(String(cString: strerror(errno)))")
    }
    var watches = Watches(descriptor: descriptor)
    do throws(CommandFailure) {
      for folder in folders { try watches.add(folder) }
    } catch {
      close(descriptor)
      throw error
    }
    do { thread = try ComputeThread(name: "watch") } catch {
      close(descriptor)
      throw .failure("no thread can be started to watch folders: \(error)")
    }
    let stop = StopFlag()
    isStopped = stop
    let started = watches
    thread.enqueue {
      var watches = started
      watches.run(folders, until: stop) { continuation.yield($0) }
      continuation.finish()
      close(descriptor)
    }
  }

  /// Ends `changes`.
  func stop() { isStopped.set() }
}

private final class StopFlag: Sendable {
  private let flag = Mutex(false)
  var isSet: Bool { flag.withLock { $0 } }
  func set() { flag.withLock { $0 = true } }
}

private struct Watches {
  let descriptor: Int32
  private var folders: [Int32: String] = [:]

  private static let events =
    UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_MOVED_FROM) | UInt32(IN_DELETE)
    | UInt32(IN_CREATE) | UInt32(IN_ONLYDIR)

  init(descriptor: Int32) { self.descriptor = descriptor }

  /// Watches a folder and all below it that isn't hidden.
  mutating func add(_ folder: String) throws(CommandFailure) {
    let watch = inotify_add_watch(descriptor, folder, Self.events)
    guard watch >= 0 else {
      if errno == ENOSPC {
        throw .failure(
          "there are more folders below '\(folder)' than may be watched; raise "
            + "/proc/sys/fs/inotify/max_user_watches")
      }
      // Gone again, or no permission to look in.
      if !folders.isEmpty { return }
      throw .failure("'\(folder)' can't be watched: \(String(cString: strerror(errno)))")
    }
    folders[watch] = folder
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where !name.hasPrefix(".") {
      let child = folder + "/" + name
      var isFolder = false
      let isLink = (try? FileManager.default.destinationOfSymbolicLink(atPath: child)) != nil
      if !isLink, FileManager.default.fileExists(atPath: child, isDirectory: &isFolder), isFolder {
        try add(child)
      }
    }
  }

  mutating func run(
    _ roots: [String], until stop: StopFlag, _ tell: (Set<String>) -> Void
  ) {
    var changed: Set<String> = []
    var since = ContinuousClock.now
    while !stop.isSet {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = poll(&waiting, 1, FolderWatcher.quietMilliseconds)
      if ready > 0 {
        if changed.isEmpty { since = .now }
        read(into: &changed, roots)
      }
      let isDue =
        ready == 0 || ContinuousClock.now - since > .milliseconds(FolderWatcher.longestMilliseconds)
      guard isDue, !changed.isEmpty else { continue }
      tell(changed)
      changed = []
    }
  }

  private mutating func read(into changed: inout Set<String>, _ roots: [String]) {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      guard count > 0 else { return }
      var position = 0
      let headerByteCount = MemoryLayout<inotify_event>.size
      while position + headerByteCount <= count {
        let event = buffer.withUnsafeBytes {
          $0.loadUnaligned(fromByteOffset: position, as: inotify_event.self)
        }
        let nameStart = position + headerByteCount
        let name = buffer[nameStart..<min(count, nameStart + Int(event.len))].prefix { $0 != 0 }
        take(event, String(decoding: name, as: UTF8.self), into: &changed, roots)
        position = nameStart + Int(event.len)
      }
    }
  }

  private mutating func take(
    _ event: inotify_event, _ name: String, into changed: inout Set<String>, _ roots: [String]
  ) {
    if event.mask & UInt32(IN_Q_OVERFLOW) != 0 {
      // Something was missed: everything is looked at again.
      changed.formUnion(roots)
      return
    }
    if event.mask & UInt32(IN_IGNORED) != 0 {
      folders[event.wd] = nil
      return
    }
    guard let folder = folders[event.wd], !name.isEmpty, !name.hasPrefix(".") else { return }
    let path = folder + "/" + name
    let isFolder = event.mask & UInt32(IN_ISDIR) != 0
    // A new file is told when it is closed.
    if event.mask & UInt32(IN_CREATE) != 0, !isFolder { return }
    if isFolder, event.mask & (UInt32(IN_CREATE) | UInt32(IN_MOVED_TO)) != 0 {
      do throws(CommandFailure) { try add(path) } catch { Terminal.error(error.message) }
    }
    changed.insert(path)
  }
}

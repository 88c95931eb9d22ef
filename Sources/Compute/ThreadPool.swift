// Fork-join over threads of its own: `run` hands one body to every worker and returns when all are
// done. Relies on futexes; workers spin for a moment between regions and sleep when nothing comes.
// Not reentrant: a body that calls `run` on its own pool deadlocks. Several callers take turns.

import CLinux
import Synchronization

package final class ThreadPool: Sendable {
  package typealias Body = @Sendable (_ worker: Int, _ workers: Int) -> Void

  package let threadCount: Int
  private let region: Region
  private let stretches: WorkStretches
  private let turn = Mutex<Void>(())
  private let scratch = Mutex<[ScratchBuffer]>([])
  private static let keptCount = max(4, Processor.usableCoreCount)

  /// `threads` counts the caller, which takes part; nil is every core the process may use. A thread
  /// that cannot be started leaves the pool smaller.
  package init(threads: Int? = nil, niceness: Int32 = 19) {
    let wanted = max(1, threads ?? Processor.usableCoreCount)
    let region = Region()
    var started = 1
    while started < wanted {
      let worker = started
      do {
        try POSIXThread.start(name: "compute-\(worker)", niceness: niceness) {
          region.work(as: worker)
        }
      } catch { break }
      started += 1
    }
    self.region = region
    threadCount = started
    stretches = WorkStretches(workers: started)
  }

  deinit { region.close() }

  /// Runs `body` once on each worker, the calling thread being worker 0, and waits for all.
  package func run(_ body: Body) { run(assigning: 0, body) }

  /// Splits 0..<count into ranges of at least `grain`, where there is so much in a row. Each worker
  /// goes through a stretch of its own; one that others slow down leaves the rest of it to those who
  /// are done, so that all finish together.
  package func parallelFor(
    _ count: Int, grain: Int = 1, _ body: @Sendable (Range<Int>) -> Void
  ) {
    let grain = max(1, grain)
    guard count > 0 else { return }
    guard threadCount > 1, count > grain else { return body(0..<count) }
    run(assigning: count) { [stretches] worker, _ in
      while let range = stretches.take(worker: worker, grain: grain) { body(range) }
    }
  }

  private func run(assigning count: Int, _ body: Body) {
    guard threadCount > 1 else { return body(0, 1) }
    withoutActuallyEscaping(body) { body in
      turn.withLock { _ in
        stretches.assign(count)
        region.run(body, workers: threadCount)
      }
    }
  }

  /// Lends 64-byte aligned memory of at least `byteCount` bytes, contents undefined; it is kept for
  /// the next borrower.
  package func withScratch<R>(
    byteCount: Int, _ body: (UnsafeMutableRawPointer) throws -> R
  ) rethrows -> R {
    let kept = scratch.withLock { buffers in
      buffers.lastIndex { $0.byteCount >= byteCount }.map { buffers.remove(at: $0) }
    }
    let buffer = kept ?? ScratchBuffer(byteCount: max(byteCount, 1 << 16))
    defer { giveBack(buffer) }
    return try body(buffer.pointer)
  }

  /// Keeps the largest, as many as threads may borrow at a time: callers' sizes settle soon.
  private func giveBack(_ buffer: ScratchBuffer) {
    scratch.withLock { buffers in
      buffers.append(buffer)
      buffers.sort { $0.byteCount > $1.byteCount }
      if buffers.count > Self.keptCount { buffers.removeLast() }
    }
  }
}

/// Memory that is handed from borrower to borrower.
// SAFETY: whoever took the buffer out of the pool's list is alone with it until it goes back.
private final class ScratchBuffer: @unchecked Sendable {
  let pointer: UnsafeMutableRawPointer
  let byteCount: Int

  init(byteCount: Int) {
    self.byteCount = byteCount
    pointer = .allocate(byteCount: byteCount, alignment: 64)
  }

  deinit { pointer.deallocate() }
}

/// What the workers share: a region's body is published by moving the epoch on, and `pending` counts
/// the workers that have not finished it.
// SAFETY: `body` and `workers` are written only while no worker reads them: between the moment
// `pending` reached zero and the next step of `epoch`, both sequentially consistent.
private final class Region: @unchecked Sendable {
  private var body: ThreadPool.Body?
  private var workers = 1
  private let epoch = FutexWord()
  private let epochSleepers = FutexWord()
  private let pending = FutexWord()
  private let pendingSleepers = FutexWord()
  private let isClosed = Atomic<Bool>(false)

  func run(_ body: @escaping ThreadPool.Body, workers: Int) {
    self.body = body
    self.workers = workers
    pending.store(UInt32(workers - 1))
    advance()
    body(0, workers)
    var left = pending.load()
    while left != 0 { left = pending.spinThenWait(while: left, sleepers: pendingSleepers) }
    self.body = nil
  }

  func work(as worker: Int) {
    var seen: UInt32 = 0
    while true {
      seen = epoch.spinThenWait(while: seen, sleepers: epochSleepers)
      if isClosed.load(ordering: .sequentiallyConsistent) { return }
      call(as: worker)
      if pending.decrement() == 0, pendingSleepers.load() != 0 { pending.wake(1) }
    }
  }

  /// Its own frame, so that the worker holds nothing of the body once it has counted itself done.
  @inline(never) private func call(as worker: Int) { body?(worker, workers) }

  func close() {
    isClosed.store(true, ordering: .sequentiallyConsistent)
    advance()
  }

  private func advance() {
    epoch.increment()
    if epochSleepers.load() != 0 { epoch.wake(Int32.max) }
  }
}

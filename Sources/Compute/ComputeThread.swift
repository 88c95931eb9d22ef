// A thread of its own with a serial queue of jobs: how blocking and computing work leaves Swift's
// cooperative pool. Relies on pthreads through POSIXThread. Jobs run in the order in which they were
// handed over; on the last release, those already queued still run, then the thread ends.

import CLinux
import Synchronization

package final class ComputeThread: Sendable {
  private let queue: JobQueue

  package init(name: String, niceness: Int32 = 0) throws(ComputeError) {
    let queue = JobQueue()
    self.queue = queue
    try POSIXThread.start(name: name, niceness: niceness) { queue.work() }
  }

  deinit { queue.close() }

  /// Runs `work` on the thread and returns its result. Cancellation does not interrupt it: a job
  /// that should stop early checks for itself.
  package func perform<T: Sendable>(_ work: @Sendable @escaping () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      queue.push { continuation.resume(with: Result(catching: work)) }
    }
  }

  /// Hands over a job without waiting for it.
  package func enqueue(_ work: @Sendable @escaping () -> Void) { queue.push(work) }
}

/// Jobs waiting for the thread. The signal word counts pushes, so that a push between the look at
/// the queue and the sleep is noticed.
private final class JobQueue: Sendable {
  private struct State {
    var jobs: [@Sendable () -> Void] = []
    var isClosed = false
  }
  private let state = Mutex(State())
  private let signal = FutexWord()

  func push(_ job: @Sendable @escaping () -> Void) {
    state.withLock { $0.jobs.append(job) }
    signal.increment()
    signal.wake(1)
  }

  func close() {
    state.withLock { $0.isClosed = true }
    signal.increment()
    signal.wake(1)
  }

  func work() {
    while true {
      let seen = signal.load()
      let (jobs, isClosed) = state.withLock { state in
        defer { state.jobs.removeAll(keepingCapacity: true) }
        return (state.jobs, state.isClosed)
      }
      for job in jobs { job() }
      if jobs.isEmpty {
        if isClosed { return }
        signal.wait(while: seen)
      }
    }
  }
}

// A serial Dispatch queue as executor of an actor and, for tasks that ask for it, of their
// non-isolated parts as well. (Dispatch has no DispatchSerialQueue on Linux.)

package import Dispatch

package final class QueueExecutor: SerialExecutor, TaskExecutor {
  package let queue: DispatchQueue

  package init(label: String) { queue = DispatchQueue(label: label) }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async {
      job.runSynchronously(
        isolatedTo: self.asUnownedSerialExecutor(), taskExecutor: self.asUnownedTaskExecutor())
    }
  }

  package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
    UnownedSerialExecutor(ordinary: self)
  }

  package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(self) }

  /// Lets `assumeIsolated` work in handlers that Dispatch itself runs on the queue.
  package func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}

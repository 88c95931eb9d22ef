// Jobs that run, and whoever watches them. Ended ones are in the document store, and stay here only
// where that couldn't be written. Refuses more than a few at the same time.

import HTTP
import JSON
import Logging
import Retrieval
import Synchronization

final class JobBoard: Sendable {
  /// Tells how many documents are done.
  typealias Progress = @Sendable (Int) -> Void
  typealias Work = @Sendable (@escaping Progress) async throws -> JSONValue

  private struct Entry {
    var job: Job
    var task: Task<Void, Never>?
    var watchers: [Int: AsyncStream<Job>.Continuation] = [:]
  }

  private struct State {
    var entries: [String: Entry] = [:]
    var isClosed = false
    var nextWatcher = 0
  }

  private let state = Mutex(State())
  private let logger: Logger
  private static let maximumRunning = 8
  /// Ended jobs that the disk had no room for.
  private static let maximumUnwritten = 100

  init(logger: Logger) { self.logger = logger }

  // MARK: Running

  /// Begins the work and returns at once.
  func start(
    _ kind: Job.Kind, collection: String, total: Int, store: DocumentStore, _ work: @escaping Work
  ) async throws -> Job {
    let job = Job(kind, collection: collection, total: total)
    try admit(job)
    do { try await store.record(job) } catch {
      state.withLock { $0.entries[job.id] = nil }
      throw error
    }
    let task = Task { await run(job.id, store, work) }
    let isClosed = state.withLock { state in
      state.entries[job.id]?.task = task
      return state.isClosed
    }
    if isClosed { task.cancel() }
    return job
  }

  private func admit(_ job: Job) throws(APIError) {
    let refusal: APIError? = state.withLock { state in
      guard !state.isClosed else {
        return .busy("The server is shutting down.", code: "draining", retryAfterSeconds: 5)
      }
      guard state.entries.values.count(where: { $0.job.state == .running }) < Self.maximumRunning
      else {
        return .busy(
          "\(Self.maximumRunning) jobs are running already.", code: "too_many_jobs",
          retryAfterSeconds: 5)
      }
      state.entries[job.id] = Entry(job: job)
      return nil
    }
    if let refusal { throw refusal }
  }

  private func run(_ id: String, _ store: DocumentStore, _ work: Work) async {
    do {
      let result = try await work { [weak self] done in self?.update(id) { $0.done = done } }
      update(id) {
        ($0.state, $0.result) = (.succeeded, result)
      }
    } catch is CancellationError {
      let isClosed = state.withLock { $0.isClosed }
      update(id) { $0.state = isClosed ? .interrupted : .cancelled }
    } catch {
      let known = APIError(error)
      if known == nil {
        logger.error("unexpected error", metadata: ["error": .string(String(describing: error))])
      }
      let body = try? JSONValue(parsing: ErrorResponse.body(of: known ?? .unexpected))
      update(id) {
        ($0.state, $0.error) = (.failed, body?["error"])
      }
    }
    // A task that was cancelled can't write any more; another one can.
    await Task { await end(id, store) }.value
  }

  /// Writes how a job ended, then tells those who watch.
  private func end(_ id: String, _ store: DocumentStore) async {
    guard let job = state.withLock({ $0.entries[id]?.job }) else { return }
    var isWritten = true
    do { try await store.record(job) } catch {
      isWritten = false
      logger.warning(
        "how a job ended can't be written",
        metadata: ["job": .string(id), "error": .string("\(error)")])
    }
    let watchers = state.withLock { state in
      let watchers = state.entries[id]?.watchers.values.map { $0 } ?? []
      state.entries[id]?.watchers = [:]
      if isWritten {
        state.entries[id] = nil
      } else {
        Self.forgetOldest(&state)
      }
      return watchers
    }
    for watcher in watchers { watcher.finish() }
  }

  private static func forgetOldest(_ state: inout State) {
    let ended = state.entries.values.filter { $0.job.state != .running }
    guard ended.count > maximumUnwritten,
      let oldest = ended.min(by: { $0.job.updatedAt < $1.job.updatedAt })
    else { return }
    state.entries[oldest.job.id] = nil
  }

  private func update(_ id: String, _ change: (inout Job) -> Void) {
    let now = Timestamp.now.unixSeconds
    state.withLock { state in
      guard var job = state.entries[id]?.job else { return }
      change(&job)
      job.updatedAt = now
      state.entries[id]?.job = job
      for watcher in state.entries[id]?.watchers.values.map({ $0 }) ?? [] { watcher.yield(job) }
    }
  }

  // MARK: Asking

  func running(_ id: String) -> Job? { state.withLock { $0.entries[id]?.job } }

  var running: [Job] { state.withLock { $0.entries.values.map(\.job) } }

  /// The job as it is and as it becomes, until it has ended; nil where none of this id runs.
  func watch(_ id: String) -> AsyncStream<Job>? {
    let (stream, continuation) = AsyncStream<Job>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let number: Int? = state.withLock { state in
      guard let job = state.entries[id]?.job, job.state == .running else { return nil }
      state.nextWatcher += 1
      state.entries[id]?.watchers[state.nextWatcher] = continuation
      continuation.yield(job)
      return state.nextWatcher
    }
    guard let number else { return nil }
    continuation.onTermination = { [weak self] _ in
      self?.state.withLock { $0.entries[id]?.watchers[number] = nil }
    }
    return stream
  }

  /// Ends the job's work, and returns once it has ended. Whether there was one.
  func cancel(_ id: String) async -> Bool {
    guard let task = state.withLock({ $0.entries[id]?.task }) else { return false }
    task.cancel()
    await task.value
    return true
  }

  /// Ends all work, for good.
  func close() async {
    let tasks = state.withLock { state in
      state.isClosed = true
      return state.entries.values.compactMap(\.task)
    }
    for task in tasks { task.cancel() }
    for task in tasks { await task.value }
  }
}

// The only way between callers and the engine's thread: callers put in submissions, cancellations
// and the wish to stop; the thread takes everything at once between two steps and sleeps here when
// it has nothing to do.

import Synchronization

/// Messages to the engine's thread, and the count of requests under way.
final class EngineMailbox: Sendable {
  /// What happened since the last `take`.
  struct Messages {
    var submissions: [Submission] = []
    var cancellations: [SequenceState.ID] = []
    var isStopping = false
  }

  private struct State {
    var messages = Messages()
    var phase = Phase.open
    var nextID: SequenceState.ID = 0
    /// Submitted and not yet finished.
    var underway = 0
    var idleWaiters: [CheckedContinuation<Void, Never>] = []
    var exitWaiters: [CheckedContinuation<Void, Never>] = []
  }

  private enum Phase { case open, draining, exited }

  private let state = Mutex(State())
  private let bell = Bell()
  /// Requests that can be under way at the same time.
  let capacity: Int
  private let queueLimit: Int

  init(maximumSequences: Int, maximumQueued: Int) {
    queueLimit = min(max(0, maximumQueued), Int(Int32.max))
    capacity = maximumSequences + queueLimit
  }

  // MARK: - Callers

  /// Admits the request that `make` builds, given its id, and returns that id.
  /// - Parameter idCount: how many ids it takes, from that one on.
  func submit(
    idCount: Int = 1, _ make: (SequenceState.ID) -> Submission
  ) throws(InferenceError) -> SequenceState.ID {
    let id = try state.withLock { state throws(InferenceError) in
      guard state.phase == .open else { throw .draining }
      guard state.underway < capacity else { throw .queueFull(limit: queueLimit) }
      state.underway += 1
      let id = state.nextID + 1
      state.nextID += SequenceState.ID(idCount)
      state.messages.submissions.append(make(id))
      return id
    }
    bell.ring()
    return id
  }

  func cancel(_ id: SequenceState.ID) {
    state.withLock { $0.messages.cancellations.append(id) }
    bell.ring()
  }

  /// Refuses new requests from now on.
  func beginDraining() {
    state.withLock { if $0.phase == .open { $0.phase = .draining } }
  }

  /// Makes the thread fail what it has and end.
  func stop() {
    beginDraining()
    state.withLock { $0.messages.isStopping = true }
    bell.ring()
  }

  /// Returns when no request is under way.
  func waitUntilIdle() async {
    await withCheckedContinuation { continuation in
      let isIdle = state.withLock { state in
        if state.underway > 0 { state.idleWaiters.append(continuation) }
        return state.underway == 0
      }
      if isIdle { continuation.resume() }
    }
  }

  /// Returns when the thread has ended.
  func waitForExit() async {
    await withCheckedContinuation { continuation in
      let hasExited = state.withLock { state in
        if state.phase != .exited { state.exitWaiters.append(continuation) }
        return state.phase == .exited
      }
      if hasExited { continuation.resume() }
    }
  }

  // MARK: - The engine's thread

  /// Everything new. Sleeps until there is something, unless `isBusy`.
  func take(isBusy: Bool) -> Messages {
    if !isBusy { bell.wait() }
    return state.withLock { state in
      let messages = state.messages
      state.messages.submissions = []
      state.messages.cancellations = []
      return messages
    }
  }

  /// One request less under way.
  func noteFinished() {
    let waiters = state.withLock { state in
      state.underway -= 1
      defer { if state.underway == 0 { state.idleWaiters = [] } }
      return state.underway == 0 ? state.idleWaiters : []
    }
    for waiter in waiters { waiter.resume() }
  }

  /// The thread is about to end; nothing is under way any more.
  func noteExit() {
    let waiters = state.withLock { state in
      state.phase = .exited
      defer { state.exitWaiters = [] }
      return state.exitWaiters
    }
    for waiter in waiters { waiter.resume() }
  }
}

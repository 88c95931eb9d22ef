// What a connection has received and a task has not yet taken: the meeting point of the event loop
// and one reading task. Outlives the connection, so that its last bytes can still be read.

import Synchronization

final class InputBuffer: ConnectionHandler, Sendable {
  struct Taken: Sendable {
    /// nil: the peer has ended its direction.
    var bytes: [UInt8]?
    /// Reading had been paused, and may go on.
    var wasFull = false
  }

  private struct State {
    var bytes: [UInt8] = []
    var hasEnded = false
    /// The connection is gone: its failure, if it had any.
    var closure: TransportError?
    /// Something came, or nobody waited, since the deadline was set.
    var isAlive = true
    var isPaused = false
    var waiter: CheckedContinuation<Result<Taken, TransportError>, Never>?
  }

  private static let capacity = 256 << 10
  private let state = Mutex(State())

  func take() async throws(TransportError) -> Taken {
    let result = await withCheckedContinuation { continuation in
      let ready = state.withLock { state in
        let ready = Self.next(&state)
        if ready == nil { state.waiter = continuation }
        return ready
      }
      if let ready { continuation.resume(returning: ready) }
    }
    return try result.get()
  }

  /// Nothing has come that nobody has taken, and more may come.
  var isFresh: Bool { state.withLock { $0.bytes.isEmpty && !$0.hasEnded && $0.closure == nil } }

  private static func next(_ state: inout State) -> Result<Taken, TransportError>? {
    if !state.bytes.isEmpty {
      let taken = Taken(bytes: state.bytes, wasFull: state.isPaused)
      state.bytes = []
      state.isPaused = false
      return .success(taken)
    }
    if state.hasEnded { return .success(Taken(bytes: nil)) }
    if let closure = state.closure { return .failure(closure) }
    return nil
  }

  /// Changes the state and gives the waiting task what it may have now.
  private func update(_ change: (inout State) -> Void) {
    let (waiter, ready) = state.withLock {
      state -> (
        CheckedContinuation<Result<Taken, TransportError>, Never>?, Result<Taken, TransportError>?
      ) in
      change(&state)
      guard let waiter = state.waiter, let ready = Self.next(&state) else { return (nil, nil) }
      state.waiter = nil
      return (waiter, ready)
    }
    if let waiter, let ready { waiter.resume(returning: ready) }
  }

  // MARK: ConnectionHandler

  func opened(_ connection: Connection, on loop: isolated EventLoop) {
    watch(connection, on: loop)
  }

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    update { state in
      state.bytes.append(contentsOf: bytes)
      state.isAlive = true
    }
    let isFull = state.withLock { state in
      state.isPaused = state.bytes.count >= Self.capacity
      return state.isPaused
    }
    if isFull { connection.setReadingPaused(true, on: loop) }
  }

  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {}

  func ended(_ connection: Connection, on loop: isolated EventLoop) {
    update { $0.hasEnded = true }
  }

  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {
    let isSilent = state.withLock { state in
      defer { state.isAlive = state.waiter == nil }
      return state.waiter != nil && !state.isAlive
    }
    if isSilent { connection.fail(.timedOut, on: loop) } else { watch(connection, on: loop) }
  }

  private func watch(_ connection: Connection, on loop: isolated EventLoop) {
    if let timeout = connection.options.readTimeout {
      connection.setDeadline(.now + timeout, on: loop)
    }
  }

  func closed(_ connection: Connection, on loop: isolated EventLoop) {
    update { $0.closure = connection.failure ?? .connectionClosed }
  }
}

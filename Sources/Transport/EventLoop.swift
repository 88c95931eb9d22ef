// A shard: an actor on a serial Dispatch queue, with an epoll set whose descriptor is watched by
// one Dispatch source. Connections come and go in the epoll set and never have sources of their
// own, which keeps clear of libdispatch's troubles with those at epoll's speed. Level-triggered.
// Knows no protocol. Relies on `shutdown` being called: the source holds the loop until then.

import CLinux
import Dispatch
import Glibc

package actor EventLoop {
  package nonisolated let executor: QueueExecutor
  package nonisolated var unownedExecutor: UnownedSerialExecutor {
    executor.asUnownedSerialExecutor()
  }

  var connections = ConnectionTable()
  var listener: Listener?

  private let epoll: Int32
  private let buffer = ReadBuffer(byteCount: 64 << 10)
  private var source: (any DispatchSourceRead)?
  private var isShutDown = false
  /// When the next look at the deadlines is due; nil: none is.
  private var sweepTime: MonotonicTime?

  /// Rounds of draining per wake. Bounded, because actor jobs wait on the same queue.
  private static let roundsPerWake = 4
  private static let eventsPerRound = 128
  private static let shortestSweepInterval = Duration.milliseconds(5)

  private init(label: String) throws(TransportError) {
    let epoll = clinux_epoll_create()
    guard epoll >= 0 else { throw .cannotStartEventLoop(code: errno) }
    self.epoll = epoll
    executor = QueueExecutor(label: label)
  }

  /// A loop that runs until `shutdown`.
  package static func running(label: String) throws(TransportError) -> EventLoop {
    let loop = try EventLoop(label: label)
    loop.executor.queue.async { loop.assumeIsolated { $0.begin() } }
    return loop
  }

  package var connectionCount: Int { connections.count }

  /// Closes everything and ends the loop; it cannot be used again.
  package func shutdown() {
    guard !isShutDown else { return }
    isShutDown = true
    stopListening()
    for connection in connections.all { connection.close(on: self) }
    source?.cancel()
    source = nil
  }

  /// Shuts down without waiting, from anywhere.
  package nonisolated func shutdownSoon() {
    executor.queue.async { self.assumeIsolated { $0.shutdown() } }
  }

  private func begin() {
    let source = DispatchSource.makeReadSource(fileDescriptor: epoll, queue: executor.queue)
    source.setEventHandler { self.assumeIsolated { $0.wake() } }
    // The only place that may close it: Dispatch has let go of the number by then.
    source.setCancelHandler { [epoll] in _ = close(epoll) }
    source.activate()
    self.source = source
    if isShutDown { source.cancel() }
  }

  // MARK: Turning

  private func wake() {
    for _ in 0..<Self.roundsPerWake where !drainOnce() { return }
  }

  /// Handles what is ready; false when nothing was.
  private func drainOnce() -> Bool {
    withUnsafeTemporaryAllocation(of: clinux_event.self, capacity: Self.eventsPerRound) { events in
      guard !isShutDown, let base = events.baseAddress else { return false }
      let count = Int(clinux_epoll_poll(epoll, base, Int32(events.count)))
      guard count > 0 else { return false }
      for event in events.prefix(count) { dispatch(event) }
      return true
    }
  }

  private func dispatch(_ event: clinux_event) {
    if event.tag == Listener.tag {
      acceptReady()
    } else if let connection = connections[ConnectionID(tag: event.tag)] {
      connection.ready(event.events, buffer: buffer.bytes, on: self)
    }
  }

  // MARK: The epoll set

  func watch(_ descriptor: Int32, _ events: UInt32, tag: UInt64) -> Bool {
    !isShutDown && clinux_epoll_add(epoll, descriptor, events, tag) == 0
  }

  func rewatch(_ descriptor: Int32, _ events: UInt32, tag: UInt64) {
    _ = clinux_epoll_modify(epoll, descriptor, events, tag)
  }

  func unwatch(_ descriptor: Int32) { _ = clinux_epoll_remove(epoll, descriptor) }

  /// Takes a socket into the loop.
  func adopt(
    _ stream: any ByteStream, peer: SocketAddress?, options: ConnectionOptions,
    handler: any ConnectionHandler
  ) -> Connection {
    let connection = connections.insert { id in
      Connection(id: id, stream: stream, peer: peer, options: options, handler: handler)
    }
    connection.open(on: self)
    return connection
  }

  func forget(_ connection: Connection, descriptor: Int32) {
    unwatch(descriptor)
    connections.remove(connection.id)
    resumeAccepting()
  }

  // MARK: Deadlines

  /// Sees to it that deadlines are looked at then. Deadlines that move into the future, as those of
  /// busy connections do with every request, cost nothing but a look at the old time.
  func scheduleSweep(at time: MonotonicTime) {
    if let sweepTime, sweepTime <= time { return }
    sweepTime = time
    let delay = min(time.nanoseconds(since: .now), UInt64(Int32.max) * 1_000_000)
    executor.queue.asyncAfter(deadline: .now() + .nanoseconds(Int(delay))) { [weak self] in
      self?.assumeIsolated { $0.sweep(scheduledFor: time) }
    }
  }

  private func sweep(scheduledFor time: MonotonicTime) {
    guard sweepTime == time, !isShutDown else { return }  // An earlier sweep took over.
    sweepTime = nil
    let now = MonotonicTime.now
    for connection in connections.all { connection.checkDeadlines(now: now, on: self) }
    if let next = connections.all.compactMap(\.nextDeadline).min() {
      scheduleSweep(at: max(next, now + Self.shortestSweepInterval))
    }
  }
}

/// The memory that all connections of a loop read into, one after the other.
private final class ReadBuffer {
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: 64) }

  deinit { bytes.deallocate() }
}

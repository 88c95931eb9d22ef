// One connection on its event loop: output that waits, what is being watched for, and how it ends.
// Every method runs on the loop (the compiler sees to it: each takes the loop as `isolated`).
// Level-triggered throughout; the rules about masking are those without which a loop spins.

import CLinux

/// What a protocol hears of its connection, always on the connection's event loop.
package protocol ConnectionHandler: AnyObject {
  func opened(_ connection: Connection, on loop: isolated EventLoop)
  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop)
  /// The peer will send nothing more; it may be gone altogether. Comes once, before or after the
  /// last bytes, even while reading is paused.
  func hungUp(_ connection: Connection, on loop: isolated EventLoop)
  /// Every byte that the peer sent has been received.
  func ended(_ connection: Connection, on loop: isolated EventLoop)
  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop)
  /// The connection is gone. The last call.
  func closed(_ connection: Connection, on loop: isolated EventLoop)
}

package struct ConnectionOptions: Sendable {
  /// A peer that takes nothing for so long is dropped.
  package var writeTimeout: Duration = .seconds(60)
  /// How long input is thrown away after our last byte, so that the peer gets to read it.
  package var lingerTimeout: Duration = .seconds(2)
  /// `EventLoop.send` waits while more output than this is pending.
  package var outputHighWater = 256 << 10
  /// A peer that sends nothing for so long while a task waits for it, or up to twice as long, is
  /// dropped; nil waits for ever. For `ClientConnection`.
  package var readTimeout: Duration?

  package init() {}
}

package final class Connection {
  package let id: ConnectionID
  package let peer: SocketAddress?
  package private(set) var hasHungUp = false
  /// Why the connection ended, where it was not an end in order.
  private(set) var failure: TransportError?
  /// Set by the protocol; the loop calls `deadlinePassed` once it has gone by, and clears it.
  package private(set) var deadline: MonotonicTime?

  let handler: any ConnectionHandler
  let options: ConnectionOptions

  private enum Closing: Equatable {
    case no
    /// Close our direction once the output is gone.
    case afterOutput(lingers: Bool)
    /// Our direction is closed: input is discarded until the peer's end or the linger deadline.
    case lingering
  }

  private var stream: any ByteStream
  private var readWaitsFor = Readiness.readable
  private var writeWaitsFor = Readiness.writable
  private var output: [UInt8] = []
  private var sentCount = 0
  private var interest: UInt32 = 0
  private var isReadingPaused = false
  private var hasEnded = false
  private var isOpen = true
  private var closing = Closing.no
  private var stallDeadline: MonotonicTime?
  private var waiters: [CheckedContinuation<Bool, Never>] = []

  init(
    id: ConnectionID, stream: any ByteStream, peer: SocketAddress?,
    options: ConnectionOptions, handler: any ConnectionHandler
  ) {
    self.id = id
    self.stream = stream
    self.peer = peer
    self.options = options
    self.handler = handler
  }

  var pendingOutputCount: Int { output.count - sentCount }
  var isClosing: Bool { !isOpen || closing != .no }

  // MARK: For protocols

  /// Sends, or queues what the socket does not take now. Nothing is sent once closing.
  package func write(_ bytes: [UInt8], on loop: isolated EventLoop) {
    guard !isClosing, !bytes.isEmpty else { return }
    if pendingOutputCount == 0 {
      output = bytes
      sentCount = 0
    } else {
      output.append(contentsOf: bytes)
    }
    flush(on: loop)
  }

  package func setDeadline(_ time: MonotonicTime?, on loop: isolated EventLoop) {
    deadline = time
    if let time { loop.scheduleSweep(at: time) }
  }

  package func setReadingPaused(_ paused: Bool, on loop: isolated EventLoop) {
    isReadingPaused = paused
    updateInterest(on: loop)
  }

  /// Ends our direction after the pending output. Lingering, it then waits a little for the peer's
  /// end: closing with input unread, or still to come, would reset the connection and could destroy
  /// the answer on its way.
  package func finish(lingering: Bool = true, on loop: isolated EventLoop) {
    guard !isClosing else { return }
    closing = .afterOutput(lingers: lingering)
    isReadingPaused = false
    setDeadline(nil, on: loop)
    flush(on: loop)
  }

  /// Closes our direction only, at once if nothing is pending: for clients that go on reading.
  package func finishOutput(on loop: isolated EventLoop) {
    guard isOpen else { return }
    stream.finishOutput()
  }

  /// Speaks TLS from here on. Nothing may be pending, and the peer must be waiting for it.
  /// - Parameter host: whom a server's certificate must be for; nil on a server
  package func startTLS(
    _ context: TLSContext, host: String?, on loop: isolated EventLoop
  ) throws(TransportError) {
    precondition(pendingOutputCount == 0, "what is pending would be sent in the clear")
    stream = try TLSStream(over: stream, context, host: host)
  }

  /// Closes at once, for the reason given.
  func fail(_ failure: TransportError, on loop: isolated EventLoop) {
    if isOpen { self.failure = failure }
    close(on: loop)
  }

  /// Closes at once; pending output is lost.
  package func close(on loop: isolated EventLoop) { tearDown(on: loop) { $0.close() } }

  /// Closes so that the peer sees a reset.
  package func abort(on loop: isolated EventLoop) { tearDown(on: loop) { $0.abort() } }

  // MARK: For the loop

  func open(on loop: isolated EventLoop) {
    interest = CLINUX_IN | CLINUX_RDHUP
    guard loop.watch(stream.descriptor, interest, tag: id.tag) else {
      tearDown(on: loop) { $0.close() }
      return
    }
    handler.opened(self, on: loop)
  }

  func ready(
    _ events: UInt32, buffer: UnsafeMutableRawBufferPointer, on loop: isolated EventLoop
  ) {
    if events & (CLINUX_ERR | CLINUX_HUP) != 0 { return dropDead(buffer, on: loop) }
    if wantsOutput, events & writeWaitsFor.event != 0 { flush(on: loop) }
    if isOpen, wantsInput, events & readWaitsFor.event != 0 { read(buffer, on: loop) }
    if isOpen, events & CLINUX_RDHUP != 0 { noteHangUp(on: loop) }
    updateInterest(on: loop)
  }

  /// Deadlines that have gone by.
  func checkDeadlines(now: MonotonicTime, on loop: isolated EventLoop) {
    if let stallDeadline, stallDeadline <= now { return fail(.timedOut, on: loop) }
    guard let deadline, deadline <= now else { return }
    self.deadline = nil
    if closing == .lingering { return close(on: loop) }
    handler.deadlinePassed(self, on: loop)
  }

  var nextDeadline: MonotonicTime? {
    switch (deadline, stallDeadline) {
    case (let a?, let b?): return min(a, b)
    case (let a, let b): return a ?? b
    }
  }

  /// Resumed with true when the output has gone, with false when the peer has.
  func addWaiter(_ waiter: CheckedContinuation<Bool, Never>) { waiters.append(waiter) }

  // MARK: Input

  /// No reading while output waits: a peer must take its answers before it may ask more.
  private var wantsInput: Bool { !hasEnded && !isReadingPaused && !wantsOutput }

  /// False when there was nothing to read.
  @discardableResult
  private func read(_ buffer: UnsafeMutableRawBufferPointer, on loop: isolated EventLoop) -> Bool {
    switch stream.read(into: buffer) {
    case .transferred(let count):
      readWaitsFor = .readable
      guard closing == .no else { break }
      let bytes = UnsafeRawBufferPointer(rebasing: buffer.prefix(count))
      handler.received(bytes, from: self, on: loop)
    case .wouldBlock(let readiness):
      readWaitsFor = readiness
      return false
    case .end:
      hasEnded = true
      noteHangUp(on: loop)
      guard isOpen else { break }
      if closing == .lingering { close(on: loop) }
      if closing == .no { handler.ended(self, on: loop) }
    case .failed(let failure): fail(failure, on: loop)
    }
    return true
  }

  /// Both directions are dead. Neither event can be masked, so the descriptor must leave the set at
  /// once; what the peer sent before is still delivered.
  private func dropDead(_ buffer: UnsafeMutableRawBufferPointer, on loop: isolated EventLoop) {
    while isOpen, !hasEnded, read(buffer, on: loop) {}
    close(on: loop)
  }

  private func noteHangUp(on loop: isolated EventLoop) {
    guard !hasHungUp else { return }
    hasHungUp = true
    resumeWaiters(false)
    handler.hungUp(self, on: loop)
  }

  // MARK: Output

  private var wantsOutput: Bool { pendingOutputCount > 0 }

  private func flush(on loop: isolated EventLoop) {
    while sentCount < output.count {
      switch output.withUnsafeBytes({
        stream.write(UnsafeRawBufferPointer(rebasing: $0[sentCount...]))
      })
      {
      case .transferred(let count):
        sentCount += count
        stallDeadline = nil
        writeWaitsFor = .writable
      case .wouldBlock(let readiness):
        writeWaitsFor = readiness
        if stallDeadline == nil {
          let time = MonotonicTime.now + options.writeTimeout
          stallDeadline = time
          loop.scheduleSweep(at: time)
        }
        updateInterest(on: loop)
        return
      case .end:
        return fail(.connectionClosed, on: loop)
      case .failed(let failure):
        return fail(failure, on: loop)
      }
    }
    outputIsGone(on: loop)
  }

  private func outputIsGone(on loop: isolated EventLoop) {
    output = []
    sentCount = 0
    resumeWaiters(true)
    guard case .afterOutput(let lingers) = closing else { return updateInterest(on: loop) }
    if hasEnded || !lingers { return close(on: loop) }
    closing = .lingering
    stream.finishOutput()
    setDeadline(.now + options.lingerTimeout, on: loop)
    updateInterest(on: loop)
  }

  private func resumeWaiters(_ delivered: Bool) {
    let resumed = waiters
    waiters = []
    for waiter in resumed { waiter.resume(returning: delivered) }
  }

  // MARK: Watching and closing

  private func updateInterest(on loop: isolated EventLoop) {
    guard isOpen else { return }
    var wanted: UInt32 = 0
    // After the peer's end both are ready for ever.
    if !hasHungUp { wanted |= CLINUX_RDHUP }
    if wantsInput { wanted |= readWaitsFor.event }
    if wantsOutput { wanted |= writeWaitsFor.event }
    guard wanted != interest else { return }
    interest = wanted
    loop.rewatch(stream.descriptor, wanted, tag: id.tag)
  }

  private func tearDown(on loop: isolated EventLoop, _ end: (any ByteStream) -> Void) {
    guard isOpen else { return }
    isOpen = false
    deadline = nil
    stallDeadline = nil
    output = []
    sentCount = 0
    loop.forget(self, descriptor: stream.descriptor)
    end(stream)
    resumeWaiters(false)
    handler.closed(self, on: loop)
  }
}

extension Readiness {
  fileprivate var event: UInt32 { self == .readable ? CLINUX_IN : CLINUX_OUT }
}

// One client's connection, on the event loop: parses what arrives, admits requests, starts a task
// for each and keeps answers in order. One request is in flight at a time; what a pipelining client
// sends meanwhile waits in a bounded buffer. Every method runs on the loop.

import HTTPTypes
import Logging
import Transport

final class ServerConnection: ConnectionHandler {
  private enum Phase {
    /// Waiting for a request, or reading its head.
    case head
    case body(AdmittedRequest)
    /// A task is at work on the answer.
    case responding(Task<Void, Never>)
    /// The last answer has been written.
    case closing
  }

  private let core: ServerCore
  private var parser: RequestParser
  private var phase = Phase.head
  /// Received and not yet parsed: pipelined requests, for the most part.
  private var input: [UInt8] = []
  private var peer = ""
  /// Body bytes that have come since the deadline was last moved.
  private var bodyProgress = 0
  private var hasEnded = false
  /// Whether a drain waits for it.
  private var isCounted = false
  private var hasAnswered = false

  /// Reading pauses beyond this while an answer is being made.
  private static let pipelineBytes = 64 << 10
  /// A body that brings less than this within the timeout is too slow.
  private static let bodyProgressBytes = 1024

  init(core: ServerCore) {
    self.core = core
    parser = RequestParser(limits: core.configuration.limits)
  }

  // MARK: ConnectionHandler

  func opened(_ connection: Connection, on loop: isolated EventLoop) {
    isCounted = core.connectionOpened()
    peer = connection.peer?.host ?? ""
    connection.setDeadline(.now + core.configuration.headTimeout, on: loop)
  }

  func received(
    _ bytes: UnsafeRawBufferPointer, from connection: Connection, on loop: isolated EventLoop
  ) {
    if case .closing = phase { return }
    let isFirst = !parser.hasStarted
    input.append(contentsOf: bytes)
    if case .body = phase {
      bodyProgress += bytes.count
      if bodyProgress >= Self.bodyProgressBytes { startBodyTimer(connection, on: loop) }
    }
    parse(connection, on: loop)
    if case .head = phase, isFirst, parser.hasStarted {
      connection.setDeadline(.now + core.configuration.headTimeout, on: loop)
    }
  }

  /// Nobody waits for the answer any more, or nobody can be told apart from a client that has only
  /// closed its sending direction: the task is cancelled, but what it still answers is sent.
  func hungUp(_ connection: Connection, on loop: isolated EventLoop) {
    if case .responding(let task) = phase { task.cancel() }
  }

  func ended(_ connection: Connection, on loop: isolated EventLoop) {
    hasEnded = true
    parse(connection, on: loop)
  }

  func deadlinePassed(_ connection: Connection, on loop: isolated EventLoop) {
    switch phase {
    case .head where !parser.hasStarted: end(connection, lingering: false, on: loop)
    case .head, .body:
      fail(ProtocolFailure(.requestTimeout, "the request took too long"), connection, on: loop)
    case .responding, .closing: break
    }
  }

  func closed(_ connection: Connection, on loop: isolated EventLoop) {
    if case .responding(let task) = phase { task.cancel() }
    phase = .closing
    input = []
    stopCounting()
  }

  private func stopCounting() {
    if isCounted { core.connectionClosed() }
    isCounted = false
  }

  // MARK: Parsing

  private func parse(_ connection: Connection, on loop: isolated EventLoop) {
    var offset = 0
    var goesOn = true
    while goesOn {
      switch phase {
      case .head: goesOn = parseHead(&offset, connection, on: loop)
      case .body(let admitted): goesOn = parseBody(admitted, &offset, connection, on: loop)
      case .responding, .closing: goesOn = false
      }
    }
    if offset >= input.count {  // The end of the connection empties it too.
      input.removeAll(keepingCapacity: input.capacity <= Self.pipelineBytes)
    } else {
      input.removeFirst(offset)
    }
    settle(connection, on: loop)
  }

  /// After all that could be parsed has been.
  private func settle(_ connection: Connection, on loop: isolated EventLoop) {
    switch phase {
    case .head where hasEnded && !parser.hasStarted: end(connection, on: loop)
    case .head where hasEnded, .body where hasEnded:
      fail(ProtocolFailure(.badRequest, "the request is incomplete"), connection, on: loop)
    case .responding:
      connection.setReadingPaused(input.count >= Self.pipelineBytes, on: loop)
    case .head, .body, .closing: break
    }
  }

  private func parseHead(
    _ offset: inout Int, _ connection: Connection, on loop: isolated EventLoop
  ) -> Bool {
    switch input.withUnsafeBytes({ parser.parseHead($0, &offset) }) {
    case .needMore: return false
    case .bad(let failure): fail(failure, connection, on: loop)
    case .complete(let head):
      let (admitted, refusal) = core.admit(head, peer: peer)
      if let refusal {
        start(admitted, answeredBy: refusal, connection, on: loop)
      } else if !head.framing.mayHaveBody {
        start(admitted, answeredBy: admitted.handler, connection, on: loop)
      } else {
        awaitBody(admitted, expectsContinue: head.expectsContinue, connection, on: loop)
      }
    }
    return true
  }

  private func awaitBody(
    _ admitted: AdmittedRequest, expectsContinue: Bool, _ connection: Connection,
    on loop: isolated EventLoop
  ) {
    do throws(ProtocolFailure) {
      try parser.beginBody(admitted.framing, limit: admitted.bodyLimit)
      phase = .body(admitted)
      startBodyTimer(connection, on: loop)
      if expectsContinue {
        connection.write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), on: loop)
      }
    } catch {
      refuse(admitted, error, connection, on: loop)
    }
  }

  private func parseBody(
    _ admitted: AdmittedRequest, _ offset: inout Int, _ connection: Connection,
    on loop: isolated EventLoop
  ) -> Bool {
    switch input.withUnsafeBytes({ parser.parseBody($0, &offset) }) {
    case .needMore: return false
    case .bad(let failure): refuse(admitted, failure, connection, on: loop)
    case .complete(let body):
      var admitted = admitted
      admitted.request.body = body
      start(admitted, answeredBy: admitted.handler, connection, on: loop)
    }
    return true
  }

  private func startBodyTimer(_ connection: Connection, on loop: isolated EventLoop) {
    bodyProgress = 0
    connection.setDeadline(.now + core.configuration.bodyTimeout, on: loop)
  }

  // MARK: Answering

  /// Refuses a request whose body cannot be read to its end.
  private func refuse(
    _ admitted: AdmittedRequest, _ failure: ProtocolFailure, _ connection: Connection,
    on loop: isolated EventLoop
  ) {
    var admitted = admitted
    admitted.exchange.keepsAlive = false
    let response = core.router.errorRenderer(failure.status, failure.reason)
    let router = core.router
    start(
      admitted, answeredBy: { await router.answer($0, with: response) }, connection, on: loop)
  }

  private func start(
    _ admitted: AdmittedRequest, answeredBy handler: @escaping Handler, _ connection: Connection,
    on loop: isolated EventLoop
  ) {
    connection.setDeadline(nil, on: loop)
    let sender = ResponseSender(
      core: core, loop: loop, connection: connection.id, exchange: admitted.exchange)
    let request = admitted.request
    let task = Task.detached(executorPreference: admitted.isInline ? loop.executor : nil) {
      await sender.send(handler(request))
    }
    phase = .responding(task)
    if connection.hasHungUp { task.cancel() }
  }

  /// The whole answer has been handed over, except for these last bytes.
  func finishAnswer(
    _ bytes: [UInt8], keepsAlive: Bool, _ connection: Connection, on loop: isolated EventLoop
  ) {
    guard case .responding = phase else { return }
    connection.write(bytes, on: loop)
    guard case .responding = phase else { return }  // The write may have found the client gone.
    guard keepsAlive else { return end(connection, on: loop) }
    phase = .head
    hasAnswered = true
    parser = RequestParser(limits: core.configuration.limits)
    connection.setReadingPaused(false, on: loop)
    parse(connection, on: loop)
    guard case .head = phase else { return }
    if core.isDraining { return closeIfIdle(connection, on: loop) }
    let timeouts = core.configuration
    connection.setDeadline(
      .now + (parser.hasStarted ? timeouts.headTimeout : timeouts.keepAliveTimeout), on: loop)
  }

  /// What never became a request is answered and ends the connection.
  private func fail(
    _ failure: ProtocolFailure, _ connection: Connection, on loop: isolated EventLoop
  ) {
    core.logger.debug("request refused: \(failure.reason)", metadata: ["peer": "\(peer)"])
    let response = core.router.errorRenderer(failure.status, failure.reason)
    let exchange = Exchange(keepsAlive: false, requestID: RequestID.make())
    connection.write(ResponseSender.whole(response, exchange, keepsAlive: false), on: loop)
    end(connection, on: loop)
  }

  private func end(
    _ connection: Connection, lingering: Bool = true, on loop: isolated EventLoop
  ) {
    phase = .closing
    input = []
    connection.finish(lingering: lingering, on: loop)
  }

  // MARK: Draining

  func closeIfIdle(_ connection: Connection, on loop: isolated EventLoop) {
    guard case .head = phase, !parser.hasStarted else { return }
    // One that is new is about to ask, and is told.
    guard hasAnswered else { return stopCounting() }
    end(connection, lingering: false, on: loop)
  }

  /// The drain's deadline: the task may still say in its stream that it was cut short.
  func cut(_ connection: Connection, on loop: isolated EventLoop) {
    if case .responding(let task) = phase { task.cancel() } else { connection.close(on: loop) }
  }
}

// A POSIX thread of the engine's own, at lowered priority: a forward pass on Swift's cooperative
// pool would stop every request handler.

import CLinux
import Glibc

enum EngineThread {
  private final class Start: Sendable {
    let niceness: Int32
    let body: @Sendable () -> Void

    init(niceness: Int32, body: @escaping @Sendable () -> Void) {
      self.niceness = niceness
      self.body = body
    }
  }

  /// Runs `body` on a new detached thread.
  static func start(
    niceness: Int32, _ body: @escaping @Sendable () -> Void
  ) throws(InferenceError) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let start = Unmanaged.passRetained(Start(niceness: niceness, body: body))
    var thread = pthread_t()
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        clinux_set_thread_name("engine")
        // A refusal leaves the priority as it is, which only costs promptness.
        _ = clinux_set_thread_niceness(start.niceness)
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw .threadUnavailable(code: code)
    }
  }
}

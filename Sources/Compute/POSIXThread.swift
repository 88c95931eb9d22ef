// Detached pthreads with a name and a niceness of their own. Relies on Linux, where niceness belongs
// to the thread. They end when their body returns; nobody joins them.

import CLinux

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

enum POSIXThread {
  static func start(
    name: String, niceness: Int32, _ body: @escaping @Sendable () -> Void
  ) throws(ComputeError) {
    let start = Unmanaged.passRetained(Start(name: name, niceness: niceness, body: body))
    var handle = pthread_t()
    let code = pthread_create(
      &handle, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        clinux_set_thread_name(start.name)
        if start.niceness != 0 { _ = clinux_set_thread_niceness(start.niceness) }
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      throw ComputeError.threadNotStarted(name: name, code: code)
    }
    pthread_detach(handle)
  }

  private final class Start {
    let name: String
    let niceness: Int32
    let body: @Sendable () -> Void

    init(name: String, niceness: Int32, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.niceness = niceness
      self.body = body
    }
  }
}

// Work that a client may be told of before it has ended: once something of it is admitted, the head of
// its answer can go out. What fails before that is answered with a status of its own. The work is
// cancelled with the request, and when nobody is left to take its value.

final class AdmittedWork<Value: Sendable>: Sendable {
  private let task: Task<Value, any Error>
  private let admissions: AsyncStream<Void>

  /// - Parameter work: told how to say that something was admitted; may say so any number of times
  init(_ work: @escaping @Sendable (_ admit: @escaping @Sendable () -> Void) async throws -> Value)
  {
    let (admissions, continuation) = AsyncStream<Void>.makeStream(
      bufferingPolicy: .bufferingOldest(1))
    self.admissions = admissions
    task = Task {
      defer { continuation.finish() }
      return try await work { continuation.yield() }
    }
  }

  deinit { task.cancel() }

  /// Returns once something was admitted, or all is done. Throws what the work threw before.
  func admitted() async throws {
    for await _ in admissions { return }
    _ = try await value
  }

  var value: Value {
    get async throws {
      try await withTaskCancellationHandler {
        try await task.value
      } onCancel: {
        task.cancel()
      }
    }
  }
}

// How often, and after how long a pause, something that failed for now is tried again.

package struct RetryPolicy: Sendable {
  /// Tries in a row that get nowhere before the failure stands.
  package var attempts = 5
  /// The pause after the first failure; each further one is twice as long.
  package var firstPause = Duration.seconds(1)
  package var longestPause = Duration.seconds(60)
  /// A server that asks for more patience than this is not waited for.
  package var longestRetryAfterSeconds = 300
  /// Injected, so that tests wait for nothing.
  package var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  /// Told before each pause why there is one.
  package var note: @Sendable (String) -> Void = { _ in }

  package init() {}

  /// Waits before the next try, or throws the failure where there should be none.
  /// - Parameter failureCount: failures in a row, this one included
  func pause(after failure: HubError, failureCount: Int) async throws {
    let seconds = failure.retryAfterSeconds
    guard failure.isTransient, failureCount < attempts,
      seconds ?? 0 <= longestRetryAfterSeconds
    else { throw failure }
    let doubled = firstPause * (1 << min(failureCount - 1, 16))
    let pause = seconds.map { Duration.seconds($0) } ?? min(doubled, longestPause)
    note("\(failure); trying again in \(pause.components.seconds) s")
    try await sleep(pause)
  }

  /// Runs the body until it succeeds, fails for good, or has failed too often.
  func run<Result>(_ body: () async throws -> Result) async throws -> Result {
    var failureCount = 0
    while true {
      do { return try await body() } catch let failure as HubError {
        failureCount += 1
        try await pause(after: failure, failureCount: failureCount)
      }
    }
  }
}

// Lines in the log while a model is loading, for those who wait without a terminal: one every few
// seconds, none where it is quick.

import Logging
import Synchronization

final class LoadLog: Sendable {
  private let logger: Logger
  private let model: String
  private let now: @Sendable () -> ContinuousClock.Instant
  private let next: Mutex<ContinuousClock.Instant>

  private static let interval = Duration.seconds(2)

  init(
    model: String, logger: Logger,
    now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
  ) {
    self.model = model
    self.logger = logger
    self.now = now
    next = Mutex(now() + Self.interval)
  }

  /// - Parameter share: of the model that is loaded, from 0 to 1.
  func note(_ share: Double) {
    let time = now()
    let isDue = next.withLock { next in
      guard time >= next else { return false }
      next = time + Self.interval
      return true
    }
    guard isDue, share < 1 else { return }
    logger.info(
      "loading the chat model",
      metadata: [
        "model": .string(model), "percent": .stringConvertible(Int(share * 100)),
      ])
  }
}

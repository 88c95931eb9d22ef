// What one request did, gathered while it is answered and written as one access-log line at its
// end. Reached through a task-local value, so that endpoints add facts without passing it around.

import Logging
import Synchronization

final class RequestTrace: Sendable {
  @TaskLocal static var current: RequestTrace?

  private let facts = Mutex<Logger.Metadata>([:])

  /// Adds a fact to the access-log line. Never a prompt, an answer or a key.
  static func note(_ key: String, _ value: some CustomStringConvertible & Sendable) {
    current?.facts.withLock { $0[key] = .stringConvertible(value) }
  }

  var metadata: Logger.Metadata { facts.withLock { $0 } }
}

// Lets a test hold the engine inside a forward pass, so that nothing depends on time.

import Glibc
import Synchronization

/// A door that threads wait at. Opens once, for good.
final class Gate: Sendable {
  private let state = Mutex((isOpen: false, arrivals: 0))

  /// Blocks the calling thread until the gate is open.
  func wait() {
    state.withLock { $0.arrivals += 1 }
    while !state.withLock({ $0.isOpen }) { usleep(200) }
  }

  func open() {
    state.withLock { $0.isOpen = true }
  }

  /// Returns once somebody has come to the gate.
  func waitForArrival() async throws {
    while state.withLock({ $0.arrivals }) == 0 { try await Task.sleep(for: .milliseconds(1)) }
  }
}

/// Waits for something that is bound to happen.
func eventually(_ condition: () -> Bool) async throws {
  while !condition() { try await Task.sleep(for: .milliseconds(1)) }
}

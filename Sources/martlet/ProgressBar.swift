// How far something is, on one line of a terminal that is drawn over and over and erased at the end.

import Synchronization

final class ProgressBar: Sendable {
  private let label: String
  private let percent = Mutex(-1)

  private static let width = 40

  init(_ label: String) { self.label = label }

  /// - Parameter share: what is done, from 0 to 1; 1 erases the line.
  func show(_ share: Double) {
    let now = min(100, max(0, Int(share * 100)))
    let isNew = percent.withLock { percent in
      defer { percent = now }
      return percent != now
    }
    guard isNew else { return }
    let filled = Self.width * now / 100
    let bar =
      String(repeating: "#", count: filled)
      + String(repeating: ".", count: Self.width - filled)
    Terminal.progress(now == 100 ? "\r\u{1B}[K" : "\r\(label) [\(bar)] \(now) %")
  }

  /// A line for good, above the bar.
  func note(_ text: String) {
    let isDrawn = percent.withLock { percent in
      defer { percent = -1 }
      return percent >= 0
    }
    if isDrawn { Terminal.progress("\r\u{1B}[K") }
    Terminal.error(text)
  }
}

// Wall-clock time as the wire wants it (Unix seconds) and as logs want it (RFC 3339), and a
// monotonic clock for durations.

import FoundationEssentials

struct Timestamp: Sendable {
  private let date: Date

  static var now: Timestamp { Timestamp(date: Date()) }

  var unixSeconds: Int { Int(date.timeIntervalSince1970) }

  /// `2026-05-04T03:02:01.123Z`
  var rfc3339: String {
    date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }
}

/// Seconds since it was started.
struct Stopwatch: Sendable {
  private let start = ContinuousClock.now

  var seconds: Double {
    let (seconds, attoseconds) = (ContinuousClock.now - start).components
    return Double(seconds) + Double(attoseconds) * 1e-18
  }
}

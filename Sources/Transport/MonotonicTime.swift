// Points on the clock that never jumps, in nanoseconds; cheap enough to read for every request.

import Dispatch

package struct MonotonicTime: Sendable, Hashable, Comparable {
  let nanoseconds: UInt64

  package static var now: MonotonicTime {
    MonotonicTime(nanoseconds: DispatchTime.now().uptimeNanoseconds)
  }

  /// Saturates: a duration of for ever stays for ever, a negative one is now.
  package static func + (time: MonotonicTime, duration: Duration) -> MonotonicTime {
    let (seconds, attoseconds) = duration.components
    guard seconds >= 0, attoseconds >= 0 else { return time }
    let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, carry) = time.nanoseconds.addingReportingOverflow(whole)
    let (total, last) = sum.addingReportingOverflow(UInt64(attoseconds) / 1_000_000_000)
    return MonotonicTime(nanoseconds: overflow || carry || last ? .max : total)
  }

  package static func < (a: MonotonicTime, b: MonotonicTime) -> Bool {
    a.nanoseconds < b.nanoseconds
  }

  /// Nanoseconds from an earlier time to this one, 0 if it is not earlier.
  func nanoseconds(since earlier: MonotonicTime) -> UInt64 {
    nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0
  }
}

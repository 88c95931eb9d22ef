// Limits that speed is measured against, found by doing nothing else: multiplying registers, sharing
// nothing among threads. Relies on the pool being idle; other work on the machine worsens them all.

import CKernels

extension Processor {
  /// Additions and multiplications of bytes per second, all threads together, the best of three
  /// passes: the limit of prefill in int4 and int8. nil where the processor has no such instruction.
  package static func measureIntegerPeak(pool: ThreadPool) -> Double? {
    let rounds = 4_000_000
    let perPart = martlet_integer_work(1) * Double(rounds)
    guard perPart > 0 else { return nil }
    let parts = pool.threadCount * 4
    return bestRate(work: perPart * Double(parts)) {
      pool.parallelFor(parts) { range in for _ in range { _ = martlet_integer_work(rounds) } }
    }
  }

  /// Seconds that handing an empty region to all threads and waiting for them takes, one region after
  /// the other: what each of a forward pass's regions costs beside its work.
  package static func measureForkJoin(pool: ThreadPool) -> Double {
    let regions = 2000
    return 1 / bestRate(work: Double(regions)) { for _ in 0..<regions { pool.run { _, _ in } } }
  }

  /// - Parameter work: what one pass does, in any unit. Returns units per second.
  private static func bestRate(work: Double, _ pass: () -> Void) -> Double {
    let clock = ContinuousClock()
    return (0..<3).reduce(0) { best, _ in max(best, work / (clock.measure(pass) / .seconds(1))) }
  }
}

// How long fuzz tests go on. In `make test` they are short and the same every time; `make fuzz` makes
// them longer and starts them elsewhere, and says the seed with which a failure comes again.

import Glibc

package enum FuzzRun {
  /// Rounds of a test that usually does so many.
  package static func rounds(_ usual: Int) -> Int { usual * max(1, number("MARTLET_FUZZ_FACTOR")) }

  /// Where a test's random numbers start.
  package static func seed(_ usual: UInt64) -> UInt64 {
    usual ^ UInt64(truncatingIfNeeded: number("MARTLET_FUZZ_SEED"))
  }

  /// 0 where the variable is not set, or not a number.
  private static func number(_ variable: String) -> Int {
    getenv(variable).flatMap { Int(String(cString: $0)) } ?? 0
  }
}

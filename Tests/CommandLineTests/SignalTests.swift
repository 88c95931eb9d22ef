// What signals do to commands, tried in processes of their own.

import Glibc
import Testing

@testable import martlet

@Suite(.timeLimit(.minutes(1))) struct SignalTests {
  /// Ctrl-C also ends whoever reads the log of `martlet serve | tee`; the drain goes on.
  @Test func aLogThatNobodyReadsDoesNotKill() async {
    await #expect(processExitsWith: .success) {
      var ends: [Int32] = [0, 0]
      guard pipe(&ends) == 0, dup2(ends[1], STDERR_FILENO) >= 0 else { exit(EXIT_FAILURE) }
      close(ends[0])
      signal(SIGPIPE, SIG_DFL)
      ServeCommand.outliveReaders()
      Terminal.error("nobody reads this")
      exit(EXIT_SUCCESS)
    }
  }
}

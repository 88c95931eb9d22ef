// How work is shared out among a pool's workers.

import Synchronization
import Testing

@testable import Compute

@Suite struct WorkStretchesTests {
  @Test(arguments: [(0, 1), (1, 4), (64, 1), (65, 3), (1000, 7)])
  func aWorkerReadsOnAndThenTakesFromTheBack(count: Int, grain: Int) throws {
    let stretches = WorkStretches(workers: 3)
    stretches.assign(count)
    var taken: [Range<Int>] = []
    while let range = stretches.take(worker: 1, grain: grain) { taken.append(range) }
    let own = count / 3..<count * 2 / 3
    let first = taken.prefix { own.contains($0.lowerBound) }
    #expect(zip(first, first.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    #expect(first.first?.lowerBound ?? own.lowerBound == own.lowerBound)
    #expect(first.last?.upperBound ?? own.upperBound == own.upperBound)
    // Nobody else took any, so that all the rest went to this one, too.
    #expect(taken.flatMap { Array($0) }.sorted() == Array(0..<count))
    #expect(taken.allSatisfy { !$0.isEmpty })
    for worker in 0..<3 { #expect(stretches.take(worker: worker, grain: grain) == nil) }
  }

  @Test(arguments: [2, 3, 5]) func eachIndexIsTakenOnce(threads: Int) {
    let pool = ThreadPool(threads: threads, niceness: 0)
    for count in [2, 3, 17, 256, 1023] {
      let counts = Mutex([Int](repeating: 0, count: count))
      for _ in 0..<20 {
        pool.parallelFor(count) { range in counts.withLock { for i in range { $0[i] += 1 } } }
      }
      #expect(counts.withLock { $0.allSatisfy { $0 == 20 } })
    }
  }
}

// The thread pool's fork and join, the compute thread's order, aligned memory.

import Compute
import Synchronization
import Testing

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 3, 5]) func everyWorkerRunsOnce(threads: Int) {
    let pool = ThreadPool(threads: threads, niceness: 0)
    #expect(pool.threadCount == threads)
    for _ in 0..<200 {
      let seen = Mutex<[Int]>([])
      pool.run { worker, workers in
        seen.withLock { $0.append(worker + 100 * workers) }
      }
      #expect(seen.withLock { $0.sorted() } == (0..<threads).map { $0 + 100 * threads })
    }
  }

  @Test(arguments: [(0, 1), (1, 1), (7, 3), (1000, 1), (1000, 64), (3, 100)])
  func rangesCoverEachIndexOnce(count: Int, grain: Int) {
    let pool = ThreadPool(threads: 2, niceness: 0)
    let counts = Mutex([Int](repeating: 0, count: count))
    pool.parallelFor(count, grain: grain) { range in
      counts.withLock { for i in range { $0[i] += 1 } }
    }
    #expect(counts.withLock { $0.allSatisfy { $0 == 1 } })
  }

  /// What one worker wrote before the join must be visible after it, thousands of times over.
  @Test func writesAreVisibleAfterTheJoin() throws {
    let pool = ThreadPool(threads: 2, niceness: 0)
    let buffer = try AlignedBuffer(byteCount: 64 * 8)
    for round in 1...5000 {
      pool.run { worker, _ in
        buffer.elements(of: Int.self)[worker * 8] += round
      }
    }
    withExtendedLifetime(buffer) {
      #expect(buffer.elements(of: Int.self)[0] == 5000 * 5001 / 2)
      #expect(buffer.elements(of: Int.self)[8] == 5000 * 5001 / 2)
    }
  }

  private final class Counters: Sendable {
    let inside = Atomic<Int>(0)
    let most = Atomic<Int>(0)
    let total = Atomic<Int>(0)
  }

  @Test func callersTakeTurns() async {
    let pool = ThreadPool(threads: 2, niceness: 0)
    let counters = Counters()
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<50 {
            pool.run { worker, _ in
              if worker == 0 {
                let now = counters.inside.add(1, ordering: .relaxed).newValue
                counters.most.max(now, ordering: .relaxed)
                counters.total.add(1, ordering: .relaxed)
                counters.inside.subtract(1, ordering: .relaxed)
              }
            }
          }
        }
      }
    }
    #expect(counters.most.load(ordering: .relaxed) == 1)
    #expect(counters.total.load(ordering: .relaxed) == 400)
  }

  @Test func scratchIsAlignedAndLarge() {
    let pool = ThreadPool(threads: 1)
    for byteCount in [1, 1000, 1 << 20, 3] {
      pool.withScratch(byteCount: byteCount) { pointer in
        #expect(UInt(bitPattern: pointer) % 64 == 0)
        pointer.initializeMemory(as: UInt8.self, repeating: 7, count: byteCount)
      }
    }
  }
}

@Suite struct ComputeThreadTests {
  private struct Failure: Error {}

  @Test func jobsRunInOrderAndReturn() async throws {
    let thread = try ComputeThread(name: "test")
    let order = Mutex<[Int]>([])
    for i in 0..<100 { thread.enqueue { order.withLock { $0.append(i) } } }
    #expect(try await thread.perform { order.withLock { $0 } } == Array(0..<100))
  }

  @Test func errorsReachTheCaller() async throws {
    let thread = try ComputeThread(name: "test", niceness: 5)
    await #expect(throws: Failure.self) { try await thread.perform { throw Failure() } }
    #expect(try await thread.perform { 7 } == 7)
  }
}

@Suite struct AlignedBufferTests {
  @Test(arguments: [0, 1, 4095, 4097, (2 << 20) - 1, 2 << 20, (5 << 20) + 3])
  func memoryIsZeroedAndAligned(byteCount: Int) throws {
    let buffer = try AlignedBuffer(byteCount: byteCount)
    #expect(UInt(bitPattern: buffer.pointer) % 64 == 0)
    if byteCount >= 2 << 20 { #expect(UInt(bitPattern: buffer.pointer) % (2 << 20) == 0) }
    withExtendedLifetime(buffer) {
      let bytes = buffer.elements(of: UInt8.self)
      #expect((0..<byteCount).allSatisfy { bytes[$0] == 0 })
      if byteCount > 0 { bytes[byteCount - 1] = 1 }
    }
  }

  @Test func impossibleSizesThrow() {
    #expect(throws: ComputeError.self) { try AlignedBuffer(byteCount: Int.max) }
    #expect(throws: ComputeError.self) { try AlignedBuffer(byteCount: 1 << 60) }
  }
}

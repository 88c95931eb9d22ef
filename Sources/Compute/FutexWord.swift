// A 32-bit word that threads can sleep on. Relies on Linux futexes; the word lives on the heap so
// that its address stays. Waits may end for no reason: callers look again.

import CLinux
import Synchronization

// SAFETY: the pointee is an atomic, reached only through its own operations, and outlives every
// use because the owner holds this object.
final class FutexWord: @unchecked Sendable {
  private let word: UnsafeMutablePointer<Atomic<UInt32>>

  init(_ value: UInt32 = 0) {
    // A cache line of its own: neighbours on the heap would slow the spinning.
    let line = UnsafeMutableRawPointer.allocate(byteCount: 128, alignment: 128)
    word = line.bindMemory(to: Atomic<UInt32>.self, capacity: 1)
    word.initialize(to: Atomic(value))
  }

  deinit {
    word.deinitialize(count: 1)
    UnsafeMutableRawPointer(word).deallocate()
  }

  func load() -> UInt32 { word.pointee.load(ordering: .sequentiallyConsistent) }
  func store(_ value: UInt32) { word.pointee.store(value, ordering: .sequentiallyConsistent) }
  func increment() { word.pointee.wrappingAdd(1, ordering: .sequentiallyConsistent) }

  /// Subtracts one and returns what is left.
  func decrement() -> UInt32 {
    word.pointee.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
  }

  /// Sleeps while the word is `value`, until woken.
  func wait(while value: UInt32) {
    _ = clinux_futex_wait(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), value)
  }

  func wake(_ count: Int32) {
    _ = clinux_futex_wake(UnsafeRawPointer(word).assumingMemoryBound(to: UInt32.self), count)
  }

  /// Spins for a moment, then sleeps, until the word is no longer `value`; returns what it is then.
  /// `sleepers` counts those asleep, so that a change that nobody sleeps on needs no system call.
  func spinThenWait(while value: UInt32, sleepers: FutexWord) -> UInt32 {
    for _ in 0..<Self.spinLimit {
      let now = load()
      if now != value { return now }
      clinux_spin_pause()
    }
    sleepers.increment()
    var now = load()
    while now == value {
      wait(while: value)
      now = load()
    }
    _ = sleepers.decrement()
    return now
  }

  /// About 50 microseconds: longer than the gap between two regions of one forward pass.
  private static let spinLimit = 2000
}

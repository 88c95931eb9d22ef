// How callers wake the engine's thread: a POSIX condition, since the thread must really sleep and
// callers must never wait for it. Relies on one sleeper.

import Glibc

/// Wakes one sleeping thread; rings that nobody waited for are remembered as one.
// SAFETY: both pointers are set once, to objects made for use from several threads, and
// `hasRung` is only touched with the mutex held.
final class Bell: @unchecked Sendable {
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
  private var hasRung = false

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func ring() {
    pthread_mutex_lock(mutex)
    hasRung = true
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  func wait() {
    pthread_mutex_lock(mutex)
    while !hasRung { pthread_cond_wait(condition, mutex) }
    hasRung = false
    pthread_mutex_unlock(mutex)
  }
}

// The few Linux calls that Swift's Glibc overlay cannot import: variadic functions, macros, unions
// and functions behind _GNU_SOURCE. Each wrapper is one call; none keeps state. Those that can fail
// return what the system call returns, or a negated errno where they say so.
// _GNU_SOURCE is not defined here: it changes structures that other modules import as well. What
// needs it is in clinux.c.
#ifndef CLINUX_H
#define CLINUX_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

// Threads and processors -----------------------------------------------------------------------

/// Sleeps while *word == expected; returns 0 when woken, -errno otherwise (EAGAIN: the word had
/// already changed, EINTR: a signal). May wake for no reason: call it in a loop.
static inline int clinux_futex_wait(const uint32_t *word, uint32_t expected) {
  return syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0) == 0 ? 0 : -errno;
}

/// Wakes up to `count` threads that sleep on the word; returns how many.
static inline int clinux_futex_wake(const uint32_t *word, int count) {
  return (int)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/// Tells the processor that this is a spin loop.
static inline void clinux_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/// Processors that this process may run on (sched_getaffinity), at least 1.
int clinux_affinity_count(void);

/// Sets the nice value of the calling thread only (on Linux a thread id is a valid PRIO_PROCESS).
int clinux_set_thread_niceness(int niceness);

/// Names the calling thread (15 bytes at most are kept), as `top -H` shows it.
void clinux_set_thread_name(const char *name);

// Memory and files -----------------------------------------------------------------------------

/// Asks for huge pages for the range; 0 or -errno (EINVAL on kernels without them: harmless).
static inline int clinux_advise_huge_pages(void *address, size_t length) {
  return madvise(address, length, MADV_HUGEPAGE) == 0 ? 0 : -errno;
}

/// Anonymous private memory, or NULL.
static inline void *_Nullable clinux_map_anonymous(size_t length) {
  void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

/// A whole file mapped read-only, or NULL.
static inline void *_Nullable clinux_map_file(int descriptor, size_t length) {
  void *p = mmap(NULL, length, PROT_READ, MAP_PRIVATE, descriptor, 0);
  return p == MAP_FAILED ? NULL : p;
}

/// open(2) with O_CLOEXEC added; the descriptor or -errno.
static inline int clinux_open(const char *path, int flags, mode_t mode) {
  int descriptor = open(path, flags | O_CLOEXEC, mode);
  return descriptor >= 0 ? descriptor : -errno;
}

/// A close-on-exec pipe; 0 or -errno.
int clinux_pipe(int *reading, int *writing);

/// A close-on-exec file that exists in memory only; the descriptor or -errno.
int clinux_memory_file(const char *name);

/// Flushes a directory's entries to disk (after a rename in it); 0 or -errno.
static inline int clinux_sync_directory(const char *path) {
  int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -errno;
  int result = fsync(descriptor) == 0 ? 0 : -errno;
  close(descriptor);
  return result;
}

/// Takes an exclusive flock without waiting; 0 or -errno (EWOULDBLOCK: another process holds it).
static inline int clinux_lock_exclusively(int descriptor) {
  return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

// Sockets --------------------------------------------------------------------------------------

static const uint32_t CLINUX_IN = EPOLLIN;
static const uint32_t CLINUX_OUT = EPOLLOUT;
static const uint32_t CLINUX_RDHUP = EPOLLRDHUP;
static const uint32_t CLINUX_HUP = EPOLLHUP;
static const uint32_t CLINUX_ERR = EPOLLERR;

/// One ready descriptor: the tag given when it was added, and what it is ready for.
typedef struct {
  uint64_t tag;
  uint32_t events;
} clinux_event;

static inline int clinux_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static inline int clinux_epoll_add(int set, int descriptor, uint32_t events, uint64_t tag) {
  struct epoll_event e = {.events = events, .data.u64 = tag};
  return epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &e);
}

static inline int clinux_epoll_modify(int set, int descriptor, uint32_t events, uint64_t tag) {
  struct epoll_event e = {.events = events, .data.u64 = tag};
  return epoll_ctl(set, EPOLL_CTL_MOD, descriptor, &e);
}

static inline int clinux_epoll_remove(int set, int descriptor) {
  struct epoll_event e = {0};
  return epoll_ctl(set, EPOLL_CTL_DEL, descriptor, &e);
}

/// Ready descriptors without waiting: the count (at most `capacity`, at most 128), or -1.
static inline int clinux_epoll_poll(int set, clinux_event *events, int capacity) {
  struct epoll_event ready[128];
  int count = epoll_wait(set, ready, capacity < 128 ? capacity : 128, 0);
  for (int i = 0; i < count; i++) {
    events[i].tag = ready[i].data.u64;
    events[i].events = ready[i].events;
  }
  return count;
}

/// A non-blocking, close-on-exec stream socket of the family; the descriptor or -errno.
static inline int clinux_stream_socket(int family) {
  int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return descriptor >= 0 ? descriptor : -errno;
}

/// accept4(2): non-blocking, close-on-exec; the descriptor or -errno.
int clinux_accept(int listener, struct sockaddr_storage *peer, socklen_t *length);

static inline int clinux_bind(int descriptor, const struct sockaddr_storage *address, socklen_t n) {
  return bind(descriptor, (const struct sockaddr *)address, n) == 0 ? 0 : -errno;
}

/// Starts a connection; 0, or -errno (EINPROGRESS: wait until writable, then clinux_socket_error).
static inline int clinux_connect(int descriptor, const struct sockaddr_storage *a, socklen_t n) {
  return connect(descriptor, (const struct sockaddr *)a, n) == 0 ? 0 : -errno;
}

static inline int clinux_local_address(int descriptor, struct sockaddr_storage *a, socklen_t *n) {
  return getsockname(descriptor, (struct sockaddr *)a, n) == 0 ? 0 : -errno;
}

static inline int clinux_enable(int descriptor, int level, int option) {
  int one = 1;
  return setsockopt(descriptor, level, option, &one, sizeof one);
}

static inline int clinux_reuse_address(int descriptor) {
  return clinux_enable(descriptor, SOL_SOCKET, SO_REUSEADDR);
}

static inline int clinux_ipv6_only(int descriptor) {
  return clinux_enable(descriptor, IPPROTO_IPV6, IPV6_V6ONLY);
}

/// Small writes go out at once (TCP_NODELAY).
static inline int clinux_no_delay(int descriptor) {
  return clinux_enable(descriptor, IPPROTO_TCP, TCP_NODELAY);
}

/// The socket's pending error as an errno, 0 if none; reading clears it.
static inline int clinux_socket_error(int descriptor) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/// Closes with a RST instead of a FIN: what a crashed peer looks like (tests use it).
static inline int clinux_close_with_reset(int descriptor) {
  struct linger abort = {.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  return close(descriptor);
}

#pragma clang assume_nonnull end

#endif

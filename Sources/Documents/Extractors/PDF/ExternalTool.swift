// Another program, run on bytes from memory with limits on time, memory and output. The shell sets the
// limits before it becomes the program, so that there is no moment without them; the input is a file
// in memory, in which the program can seek. Blocks until the program is done or killed.

import CLinux
import Glibc

package struct ToolLimits: Sendable {
  package var seconds = 60
  package var memoryByteCount = 1 << 30
  package var outputByteCount = 64 << 20
  /// Instead of what is found on the PATH.
  package var path: String?

  package init() {}
}

enum ExternalToolError: Error, Equatable {
  case notStarted(String)
  case tooSlow
  case tooMuchOutput
}

struct ExternalTool {
  struct Result {
    /// The exit status, or 128 and the signal that ended it.
    var status: Int32
    var output: [UInt8]
    /// The beginning of what it said on standard error.
    var errors: [UInt8]
  }

  let path: String
  let arguments: [String]

  /// Where the PATH has a program of this name.
  static func find(_ name: String) -> String? {
    let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
    return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
  }

  func run(input: [UInt8], _ limits: ToolLimits) throws(ExternalToolError) -> Result {
    guard access(path, X_OK) == 0 else { throw .notStarted("there is no program \(path)") }
    var files = try ProcessFiles(input: input)
    defer { files.close() }
    let process = try start(files, limits)
    files.closeWritingEnds()
    var collected = CollectedOutput(limits)
    let failure = collected.read(files)
    if failure != nil { kill(process, SIGKILL) }
    var status: Int32 = 0
    while waitpid(process, &status, 0) == -1, errno == EINTR {}
    if let failure { throw failure }
    let signal = status & 0x7F
    return Result(
      status: signal == 0 ? (status >> 8) & 0xFF : 128 + signal, output: collected.output,
      errors: collected.errors)
  }

  private func start(_ files: ProcessFiles, _ limits: ToolLimits) throws(ExternalToolError) -> pid_t
  {
    // Address space in KiB, processor time in seconds, no core files, no files written.
    let script = """
      ulimit -v \(limits.memoryByteCount >> 10); ulimit -t \(limits.seconds); ulimit -c 0; \
      ulimit -f 0; exec "$0" "$@"
      """
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in [files.input, files.output.writing, files.errors.writing]
      .enumerated()
    {
      posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
    }
    // The server ignores it, which a tool that writes on and on must not inherit.
    var (attributes, defaults) = (posix_spawnattr_t(), sigset_t())
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    sigemptyset(&defaults)
    sigaddset(&defaults, SIGPIPE)
    posix_spawnattr_setsigdefault(&attributes, &defaults)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF))
    let words = (["/bin/sh", "-c", script, path] + arguments).map { $0.withCString { strdup($0) } }
    let environment = ["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"].map { $0.withCString { strdup($0) } }
    defer { for word in words + environment { free(word) } }
    var process: pid_t = 0
    let error = posix_spawn(
      &process, "/bin/sh", &actions, &attributes, words + [nil], environment + [nil])
    guard error == 0 else { throw .notStarted(String(cString: strerror(error))) }
    return process
  }
}

/// The child's standard files, and our ends of them.
private struct ProcessFiles {
  struct Pipe {
    var reading: Int32 = -1
    var writing: Int32 = -1

    init() throws(ExternalToolError) {
      guard clinux_pipe(&reading, &writing) == 0 else { throw .notStarted("too many open files") }
    }
  }

  let input: Int32
  var output: Pipe
  var errors: Pipe

  init(input bytes: [UInt8]) throws(ExternalToolError) {
    let input = clinux_memory_file("martlet-input")
    self.input = input
    guard input >= 0 else { throw .notStarted("no file in memory can be made") }
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
      guard count > 0 else {
        Glibc.close(input)
        throw .notStarted("its input doesn't fit into memory")
      }
      written += count
    }
    lseek(input, 0, SEEK_SET)
    do throws(ExternalToolError) {
      output = try Pipe()
    } catch {
      Glibc.close(input)
      throw error
    }
    do throws(ExternalToolError) {
      errors = try Pipe()
    } catch {
      for descriptor in [input, output.reading, output.writing] { Glibc.close(descriptor) }
      throw error
    }
  }

  mutating func closeWritingEnds() {
    Glibc.close(output.writing)
    Glibc.close(errors.writing)
    output.writing = -1
    errors.writing = -1
  }

  func close() {
    for descriptor in [input, output.reading, output.writing, errors.reading, errors.writing]
    where descriptor >= 0 {
      Glibc.close(descriptor)
    }
  }
}

private struct CollectedOutput {
  var output: [UInt8] = []
  var errors: [UInt8] = []
  private let limits: ToolLimits
  private let deadline: ContinuousClock.Instant
  private static let errorByteCount = 4096

  init(_ limits: ToolLimits) {
    self.limits = limits
    deadline = .now + .seconds(limits.seconds)
  }

  /// Until both ends are closed; what went wrong before that.
  mutating func read(_ files: ProcessFiles) -> ExternalToolError? {
    var open = [files.output.reading, files.errors.reading]
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while !open.isEmpty {
      let left = (deadline - .now).components
      guard left.seconds >= 0, left.attoseconds >= 0 else { return .tooSlow }
      var waiting = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
      let ready = poll(&waiting, nfds_t(waiting.count), Int32(min(left.seconds, 60)) * 1000 + 50)
      if ready <= 0 { continue }
      for file in waiting where file.revents != 0 {
        let count = Glibc.read(file.fd, &buffer, buffer.count)
        if count < 0, errno == EINTR { continue }
        guard count > 0 else {
          open.removeAll { $0 == file.fd }
          continue
        }
        if file.fd == files.output.reading {
          guard output.count + count <= limits.outputByteCount else { return .tooMuchOutput }
          output += buffer[..<count]
        } else {
          errors += buffer[..<count].prefix(Self.errorByteCount - errors.count)
        }
      }
    }
    return nil
  }
}

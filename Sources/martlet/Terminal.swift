// Writing to the terminal without buffering surprises.

import Glibc

enum Terminal {
  static func print(_ text: String, terminator: String = "\n") {
    write(text + terminator, to: STDOUT_FILENO)
  }

  static func error(_ text: String) {
    write("martlet: \(text)\n", to: STDERR_FILENO)
  }

  /// A line that is drawn over: on standard error, beside the log.
  static func progress(_ text: String) { write(text, to: STDERR_FILENO) }

  /// Whether somebody is looking at standard error.
  static var showsProgress: Bool { isatty(STDERR_FILENO) == 1 }

  static var isInteractive: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 }

  /// All of standard input. Blocks.
  static func input() -> [UInt8] {
    var input: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(STDIN_FILENO, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return input }
      input += buffer[..<count]
    }
  }

  private static func write(_ text: String, to descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

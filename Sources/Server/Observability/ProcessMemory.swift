// Memory of this process as the kernel accounts it (proc(5), /proc/self/status).

import FoundationEssentials

package enum ProcessMemory {
  /// Pages in memory, shared ones included.
  package static var residentByteCount: Int? { field("VmRSS:") }
  /// The most there ever was.
  package static var peakByteCount: Int? { field("VmHWM:") }
  /// Memory that is the process's own and can't be dropped.
  package static var anonymousByteCount: Int? { field("RssAnon:") }

  private static func field(_ name: String) -> Int? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
    else { return nil }
    return Int(kibibytes).map { $0 * 1024 }
  }
}

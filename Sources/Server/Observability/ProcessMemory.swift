// Memory of this process as the kernel accounts it (proc(5), /proc/self/status
// and smaps_rollup).

import FoundationEssentials

package enum ProcessMemory {
  /// Pages in memory, shared ones included.
  package static var residentByteCount: Int? { field("VmRSS:") }
  /// The most there ever was.
  package static var peakByteCount: Int? { field("VmHWM:") }
  /// Memory that is the process's own and can't be dropped.
  package static var anonymousByteCount: Int? { field("RssAnon:") }
  /// The part of it that is in huge pages.
  package static var hugePageByteCount: Int? { field("AnonHugePages:", of: "smaps_rollup") }

  private static func field(_ name: String, of file: String = "status") -> Int? {
    guard let status = try? String(contentsOfFile: "/proc/self/" + file, encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
    else { return nil }
    return Int(kibibytes).map { $0 * 1024 }
  }
}

// What the machine lets this process use: cores (affinity and cgroup quota), memory (free memory
// and cgroup limits) and instruction set. Relies on /proc and on
// cgroup v1 or v2 where they are mounted; what cannot be read counts as no limit.

import CLinux
import Glibc

package enum Processor {
  /// Cores that compute may keep busy: the affinity mask, or fewer where a quota says so.
  package static var usableCoreCount: Int {
    let allowed = Int(clinux_affinity_count())
    guard let quota = ControlGroup.current.coreQuota else { return allowed }
    return max(1, min(allowed, Int(quota.rounded(.up))))
  }

  package static var modelName: String {
    let lines = SystemFile.read("/proc/cpuinfo")?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix("model name") }
    guard let name = line?.split(separator: ":", maxSplits: 1).last else { return "unknown" }
    return SystemFile.trimmed(name)
  }

  /// The name of the kernel table in use: "portable", "avx2", "avx512", "avx512vnni", "avx512bf16".
  package static var isa: String { String(cString: kernels.name) }

  /// What MARTLET_ISA asks for, where that is no name or this processor hasn't got it: the kernels in
  /// use are then the best ones after all.
  package static var refusedISA: String? {
    refusedISA(wanted: getenv("MARTLET_ISA").map { String(cString: $0) })
  }

  static func refusedISA(wanted: String?) -> String? {
    wanted.flatMap { $0.isEmpty || $0 == isa ? nil : $0 }
  }

  /// Memory that can still be taken: what the kernel calls available, or what the control group's
  /// limit leaves, whichever is less.
  package static var availableMemoryByteCount: Int {
    let system = memoryInfo("MemAvailable:") ?? memoryInfo("MemTotal:") ?? 1 << 30
    return min(system, ControlGroup.current.availableMemoryByteCount ?? Int.max)
  }

  private static func memoryInfo(_ key: String) -> Int? {
    let lines = SystemFile.read("/proc/meminfo")?.split(separator: "\n") ?? []
    let fields = lines.first { $0.hasPrefix(key) }?.split(separator: " ") ?? []
    guard fields.count >= 2, let kibibytes = Int(fields[1]) else { return nil }
    return kibibytes * 1024
  }
}

// The limits of the control group this process is in: CPU quota and memory, cgroup v2 and v1. Every
// group up to the root counts, since a parent's limit binds its children. Files that are missing or
// say "max" are no limit.

struct ControlGroup {
  /// Cores' worth of time per period, nil without a quota.
  let coreQuota: Double?
  /// Memory left below the tightest limit, nil without one.
  let availableMemoryByteCount: Int?

  static var current: ControlGroup {
    ControlGroup(membership: SystemFile.read("/proc/self/cgroup") ?? "", root: "/sys/fs/cgroup") {
      SystemFile.read($0)
    }
  }

  /// `membership` is the text of /proc/self/cgroup; `read` gives a file's text.
  init(membership: String, root: String, read: (String) -> String?) {
    var quota: Double?
    var memory: Int?
    func limit(cores: Double?, bytes: Int?) {
      if let cores, cores > 0 { quota = min(quota ?? cores, cores) }
      if let bytes { memory = min(memory ?? bytes, max(0, bytes)) }
    }
    for line in membership.split(separator: "\n") {
      // hierarchy id : controllers : path
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      for path in Self.ancestors(of: String(fields[2])) {
        if fields[1].isEmpty {
          limit(
            cores: Self.quota(read("\(root)\(path)/cpu.max")),
            bytes: Self.room("memory.max", "memory.current", "\(root)\(path)", read))
        }
        if controllers.contains("cpu") {
          let group = "\(root)/cpu\(path)"
          let pair = [read("\(group)/cpu.cfs_quota_us"), read("\(group)/cpu.cfs_period_us")]
          limit(cores: Self.quota(pair.map { $0 ?? "" }.joined(separator: " ")), bytes: nil)
        }
        if controllers.contains("memory") {
          let bytes = Self.room(
            "memory.limit_in_bytes", "memory.usage_in_bytes", "\(root)/memory\(path)", read)
          limit(cores: nil, bytes: bytes)
        }
      }
    }
    coreQuota = quota
    availableMemoryByteCount = memory
  }

  /// "/a/b" gives "/a/b", "/a" and "": inside a container the root is often all that is mounted.
  private static func ancestors(of path: String) -> [String] {
    var result = [""]
    for part in path.split(separator: "/") where part != ".." {
      result.insert((result.first ?? "") + "/" + part, at: 0)
    }
    return result
  }

  /// "150000 100000" is one and a half cores; "max 100000" and "-1 100000" are none.
  private static func quota(_ text: String?) -> Double? {
    let numbers = text?.split(whereSeparator: \.isWhitespace).compactMap { Double($0) } ?? []
    guard numbers.count == 2, numbers[0] > 0, numbers[1] > 0 else { return nil }
    return numbers[0] / numbers[1]
  }

  /// What the limit leaves; file pages that the kernel would drop first don't count as used.
  private static func room(
    _ limit: String, _ usage: String, _ group: String, _ read: (String) -> String?
  ) -> Int? {
    func number(_ file: String) -> Int? {
      read("\(group)/\(file)").flatMap { Int(SystemFile.trimmed($0[...])) }
    }
    // cgroup v1 says "no limit" with a number near 2^63.
    guard let limit = number(limit), let usage = number(usage), limit < 1 << 50 else { return nil }
    let statistics = read("\(group)/memory.stat")?.split(separator: "\n") ?? []
    let key = "inactive_file "
    let line = statistics.first { $0.hasPrefix(key) }
    let cached = line.flatMap { Int($0.dropFirst(key.count)) } ?? 0
    return limit - min(max(0, usage - max(0, cached)), limit)
  }
}

// What the machine allows: read from this one, and from the files of imaginary ones.

import Testing

@testable import Compute

@Suite struct ProcessorTests {
  @Test func theMachineIsDescribed() {
    #expect(Processor.usableCoreCount >= 1)
    #expect(Processor.availableMemoryByteCount > 1 << 20)
    #expect(["portable", "avx2", "avx512", "avx512vnni", "avx512bf16"].contains(Processor.isa))
    #expect(!Processor.modelName.isEmpty)
  }

  @Test func instructionSetsThatAreNotUsedAreTold() {
    #expect(Processor.refusedISA(wanted: "avx9000") == "avx9000")
    #expect([nil, "", Processor.isa].allSatisfy { Processor.refusedISA(wanted: $0) == nil })
  }

  @Test func bandwidthIsMeasured() throws {
    let pool = ThreadPool(threads: 2, niceness: 0)
    #expect(try ReadBandwidth(byteCount: 8 << 20, pool: pool).measure() > 0)
  }

  private func group(_ membership: String, _ files: [String: String]) -> ControlGroup {
    ControlGroup(membership: membership, root: "/c") { files[$0] }
  }

  @Test func unifiedHierarchy() {
    let files = [
      "/c/a/b/cpu.max": "150000 100000\n", "/c/a/cpu.max": "max 100000\n",
      "/c/a/b/memory.max": "max\n", "/c/a/b/memory.current": "1\n",
      "/c/a/memory.max": "1000\n", "/c/a/memory.current": "400\n",
      "/c/a/memory.stat": "anon 100\ninactive_file 50\n",
    ]
    let limits = group("0::/a/b\n", files)
    #expect(limits.coreQuota == 1.5)
    #expect(limits.availableMemoryByteCount == 650)
  }

  @Test func versionOneHierarchy() {
    let files = [
      "/c/cpu/x/cpu.cfs_quota_us": "200000\n", "/c/cpu/x/cpu.cfs_period_us": "100000\n",
      "/c/cpu/cpu.cfs_quota_us": "-1\n", "/c/cpu/cpu.cfs_period_us": "100000\n",
      "/c/memory/x/memory.limit_in_bytes": "5000\n", "/c/memory/x/memory.usage_in_bytes": "6000\n",
      "/c/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/c/memory/memory.usage_in_bytes": "1\n",
    ]
    let limits = group("4:memory:/x\n3:cpu,cpuacct:/x\n", files)
    #expect(limits.coreQuota == 2)
    #expect(limits.availableMemoryByteCount == 0)
  }

  @Test func unreadableFilesAreNoLimit() {
    for membership in ["", "0::/\n", "nonsense", "0::", "1:cpu", "0::/../..\n"] {
      let limits = group(membership, ["/c/cpu.max": "x y"])
      #expect(limits.coreQuota == nil)
      #expect(limits.availableMemoryByteCount == nil)
    }
  }
}

// What the kernel tests share: the tables that this CPU runs, buffers that end at a guard page, and
// a seeded source of values.

import CKernels
import Glibc
import Synchronization

/// One kernel table under test, by name in test output.
struct Table: Sendable, CustomStringConvertible {
  let kernels: martlet_kernels
  var description: String { String(cString: kernels.name) }

  /// The oracle.
  static let portable = Table(
    kernels: (martlet_kernels_named("portable") ?? martlet_kernels_get()).pointee)
  static let vectors = (["avx2", "avx512", "avx512vnni", "avx512bf16"] as [String]).compactMap {
    name in
    martlet_kernels_named(name).map { Table(kernels: $0.pointee) }
  }
  static let all = [portable] + vectors
}

/// Memory whose last byte is followed by a page that faults, so that reading or writing past the end
/// is a crash instead of luck. It stays mapped long after its release: a pointer taken from one may
/// outlive it within an expression.
final class Guarded<Element: BitwiseCopyable> {
  let pointer: UnsafeMutablePointer<Element>
  let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let mappingByteCount: Int

  init(count: Int, alignment: Int = MemoryLayout<Element>.alignment) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let bytes = count * MemoryLayout<Element>.stride
    let mappingByteCount = (bytes + alignment + page - 1) / page * page + page
    guard
      let mapping = mmap(
        nil, mappingByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      mapping != MAP_FAILED
    else { preconditionFailure("no memory for a test buffer") }
    self.count = count
    self.mapping = mapping
    self.mappingByteCount = mappingByteCount
    let end = mapping + (mappingByteCount - page)
    mprotect(end, page, PROT_NONE)
    pointer = (end - bytes).alignedDown(toMultipleOf: alignment).bindMemory(
      to: Element.self, capacity: count)
  }

  convenience init(_ values: [Element]) {
    self.init(count: values.count)
    for (i, value) in values.enumerated() { pointer[i] = value }
  }

  deinit {
    let start = UInt(bitPattern: mapping)
    retired.withLock { $0.add(start: start, byteCount: mappingByteCount) }
  }

  var values: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}

/// Mappings of released buffers. A process may have some 65,000; so many tests would need more.
private struct RetiredMappings {
  private static let mostKept = 8_000
  private var ring: [(start: UInt, byteCount: Int)] = []
  private var oldest = 0

  mutating func add(start: UInt, byteCount: Int) {
    guard ring.count == Self.mostKept else { return ring.append((start, byteCount)) }
    munmap(UnsafeMutableRawPointer(bitPattern: ring[oldest].start), ring[oldest].byteCount)
    ring[oldest] = (start, byteCount)
    oldest = (oldest + 1) % Self.mostKept
  }
}

private let retired = Mutex(RetiredMappings())

/// SplitMix64: the same values on every run and machine.
struct SeededValues {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Nearly normal: the sum of six uniform values, of variance 1.
  mutating func normal() -> Float {
    var sum: Float = 0
    for _ in 0..<6 { sum += Float(next() >> 40) / Float(1 << 24) - 0.5 }
    return sum * 1.414_213_6
  }

  mutating func normals(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in normal() * scale }
  }
}

/// Bit patterns, with every NaN the same: which NaN comes out is no kernel's promise.
func patterns(_ values: [Float]) -> [UInt32] {
  values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern }
}

/// The root mean square of the differences over that of the reference.
func relativeError(_ values: [Float], _ reference: [Double]) -> Double {
  var error = 0.0
  var norm = 0.0
  for (value, exact) in zip(values, reference) {
    error += (Double(value) - exact) * (Double(value) - exact)
    norm += exact * exact
  }
  return norm > 0 ? (error / norm).squareRoot() : error.squareRoot()
}

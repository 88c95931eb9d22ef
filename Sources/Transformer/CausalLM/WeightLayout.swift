// Where each tensor of a model lies in the one piece of memory that holds all of its weights, made
// before anything is read: what will be loaded, in which format, at which offset. Memory is taken
// by it, and a packed file must be of exactly this layout.

import Checkpoints
import Quantization

struct WeightLayout: Sendable {
  struct Slot: Sendable, Hashable {
    var name: String
    /// Nil for norms and biases, which are float32.
    var format: WeightFormat?
    /// [rows, columns], or [count] of a vector.
    var shape: [Int]
    var bytes: Range<Int>
  }

  /// In the order of the manifest.
  private(set) var slots: [Slot] = []
  private var indices: [String: Int] = [:]
  let parameterCount: Int

  /// Every slot starts on a cache line.
  private static let alignment = 64

  init(
    _ manifest: WeightManifest, scheme: QuantizationScheme, keepsQuantized: Bool = false,
    source: WeightSource
  ) throws(ModelError) {
    parameterCount = manifest.parameterCount
    var end = 0
    for item in manifest.items {
      let stored = try source.format(of: item)
      let format = item.role.map {
        scheme.format(
          of: $0, columns: item.shape[1], stored: stored, keepsQuantized: keepsQuantized)
      }
      let byteCount =
        format.map { $0.byteCount(rows: item.shape[0], columns: item.shape[1]) ?? .max }
        ?? item.elementCount * MemoryLayout<Float>.stride
      guard byteCount < .max / 2 - end else {
        throw .unloadableTensor(name: item.name, reason: "its shape \(item.shape) is absurd")
      }
      indices[item.name] = slots.count
      slots.append(
        Slot(name: item.name, format: format, shape: item.shape, bytes: end..<end + byteCount))
      end += (byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
    }
  }

  var byteCount: Int { slots.last?.bytes.upperBound ?? 0 }

  /// The formats that matrices have, each once.
  var formats: [WeightFormat] {
    let present = Set(slots.compactMap(\.format))
    return WeightFormat.allCases.filter(present.contains)
  }

  /// The slot of a tensor of the manifest.
  subscript(name: String) -> Slot {
    guard let index = indices[name] else { preconditionFailure("\(name) is not in the manifest") }
    return slots[index]
  }
}

// All weights of one model in one piece of memory, tensor by tensor: taken from a source and
// quantised into their places, or there already because a packed file was read. One piece, so that
// small matrices lie in huge pages too and that a file is read and written in one go.

import Checkpoints
import Compute
import Quantization

struct WeightStore: Sendable {
  let layout: WeightLayout
  let contents: Contents

  enum Contents: Sendable {
    /// Memory that tensors are quantised into as they are asked for.
    case empty(AlignedBuffer, WeightSource)
    case read(AlignedBuffer)
    case mapped(MappedFile, dataOffset: Int)
  }

  func vector(_ name: String) throws(ModelError) -> [Float] {
    let slot = layout[name]
    let count = slot.shape[0]
    let place = memory(slot).pointer.assumingMemoryBound(to: Float.self)
    guard case .empty(_, let source) = contents else {
      return Array(UnsafeBufferPointer(start: place, count: count))
    }
    let values = try source.vector(name, count: count)
    place.update(from: values, count: count)
    return values
  }

  func matrix(_ name: String, pool: ThreadPool) throws(ModelError) -> WeightMatrix {
    let slot = layout[name]
    guard let format = slot.format else { preconditionFailure("\(name) is a vector") }
    let (rows, columns) = (slot.shape[0], slot.shape[1])
    do {
      guard case .empty(_, let source) = contents else {
        return try WeightMatrix(rows: rows, columns: columns, format: format, packed: memory(slot))
      }
      if let codes = try source.codes(of: name, rows: rows, columns: columns, format: format) {
        return try WeightMatrix(
          rows: rows, columns: columns, format: format, codes: codes, into: memory(slot),
          pool: pool)
      }
      let read = try source.rows(of: name, rows: rows, columns: columns)
      return try WeightMatrix(
        rows: rows, columns: columns, format: format, into: memory(slot), pool: pool, row: read)
    } catch let error as ModelError {
      throw error
    } catch {
      throw .unloadableTensor(name: name, reason: "\(error)")
    }
  }

  private func memory(_ slot: WeightLayout.Slot) -> WeightMemory {
    switch contents {
    case .empty(let buffer, _), .read(let buffer):
      return WeightMemory(buffer, bytes: slot.bytes)
    case .mapped(let file, let offset):
      let start = offset + slot.bytes.lowerBound
      return WeightMemory(file, bytes: start..<start + slot.bytes.count)
    }
  }
}

extension WeightMemory {
  /// A part of a mapped file: for reading.
  init(_ file: MappedFile, bytes: Range<Int>) {
    precondition(bytes.upperBound <= file.byteCount)
    self.init(
      UnsafeMutableRawPointer(mutating: file.base + bytes.lowerBound), byteCount: bytes.count,
      owner: file)
  }
}

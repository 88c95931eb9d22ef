// A view of float32 activations in a workspace, [rows][columns] row-major, and the workspace.
// Views are handed to the workers of the pool, each of which writes rows, or columns of rows, of
// its own. Relies on the workspace outliving the forward pass that its views are made in.

import Checkpoints
import Compute

// SAFETY: a view owns nothing; the workspace outlives the forward pass that views are made in, and
// workers write disjoint parts.
struct Activations: @unchecked Sendable {
  let base: UnsafeMutablePointer<Float>
  let rows: Int
  let columns: Int

  /// The first value of a row.
  subscript(row: Int) -> UnsafeMutablePointer<Float> { base + row * columns }
}

/// Buffers that layers write to, kept from one forward pass to the next: each grows to the largest
/// batch there was.
struct Workspace: Sendable {
  enum Slot: Int, CaseIterable {
    case hidden, normalized, query, key, value, attended, gate, inner, selected
    /// What is added to the activations later on.
    case branch, secondBranch
    /// Of experts.
    case routing, expertInput, expertOutput
  }

  private var buffers: [AlignedBuffer?] = Array(repeating: nil, count: Slot.allCases.count)

  mutating func activations(_ slot: Slot, rows: Int, columns: Int) throws(ModelError)
    -> Activations
  {
    let byteCount = rows * columns * MemoryLayout<Float>.stride
    if let present = buffers[slot.rawValue], present.byteCount >= byteCount {
      return Activations(base: present.elements(), rows: rows, columns: columns)
    }
    buffers[slot.rawValue] = nil  // frees the smaller one first
    let buffer = try AlignedBuffer.forModel(
      purpose: "A forward pass of \(rows) tokens", byteCount: byteCount)
    buffers[slot.rawValue] = buffer
    return Activations(base: buffer.elements(), rows: rows, columns: columns)
  }
}

// A view of float32 activations in a workspace, [rows][columns] row-major, and the workspace.
// Views are handed to the workers of the pool, each of which writes rows, or columns of rows, of
// its own. Relies on the workspace outliving the forward pass that its views are made in.

import CKernels
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

/// Activations rounded to bfloat16, [rows][columns], as a product of pairs takes them
/// (`martlet_product.pairs`): what one product leaves for the next without float32 in between.
// SAFETY: as of `Activations`.
struct PairedActivations: @unchecked Sendable {
  let base: UnsafeMutableRawPointer
  let rows: Int
  let columns: Int

  static let rowsPerBlock = martlet_token_block(MARTLET_BFLOAT16_PAIRS)
  var blockCount: Int { (rows + Self.rowsPerBlock - 1) / Self.rowsPerBlock }
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
    let buffer = try buffer(
      slot, rows: rows, byteCount: rows * columns * MemoryLayout<Float>.stride)
    return Activations(base: buffer.elements(), rows: rows, columns: columns)
  }

  mutating func pairs(_ slot: Slot, rows: Int, columns: Int) throws(ModelError)
    -> PairedActivations
  {
    let buffer = try buffer(
      slot, rows: rows, byteCount: martlet_prepared_bytes(MARTLET_BFLOAT16_PAIRS, columns, rows))
    return PairedActivations(base: buffer.pointer, rows: rows, columns: columns)
  }

  private mutating func buffer(
    _ slot: Slot, rows: Int, byteCount: Int
  ) throws(ModelError) -> AlignedBuffer {
    if let present = buffers[slot.rawValue], present.byteCount >= byteCount { return present }
    buffers[slot.rawValue] = nil  // frees the smaller one first
    let buffer = try AlignedBuffer.forModel(
      purpose: "A forward pass of \(rows) tokens", byteCount: byteCount)
    buffers[slot.rawValue] = buffer
    return buffer
  }
}

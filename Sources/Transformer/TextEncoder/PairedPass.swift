// Texts through a `PairedEncoder`. Several go through all layers on one thread each, as many threads as
// there are at a time: a text's activations stay in its core's cache, and nobody waits between layers.
// What is left over, and a text alone, is computed by all threads together. Either way gives the same
// bits.

import Checkpoints
import Compute
import Synchronization

final class PairedPass: Sendable {
  private let encoder: PairedEncoder
  private let pool: ThreadPool
  /// For who computes alone, as a worker of the other pool.
  private let single = ThreadPool(threads: 1)
  private let workspaces = Mutex<[Workspace]>([])

  /// Tokens that a thread takes at a time, where texts are short: their activations fit into a core's
  /// cache, and each weight that is read serves enough of them.
  private static let tokensAlone = 128

  init(encoder: PairedEncoder, pool: ThreadPool) {
    self.encoder = encoder
    self.pool = pool
  }

  /// What `body` makes of the activations of each input; nil for an input without tokens.
  func run<Result: Sendable>(
    _ inputs: [EncoderInput], _ body: @Sendable (UnsafePointer<Float>, Int) -> Result
  ) throws(ModelError) -> [Result?] {
    let parts = Self.parts(inputs)
    let aloneCount = parts.count / pool.threadCount * pool.threadCount
    let results = Mutex<[Result?]>(Array(repeating: nil, count: inputs.count))
    let failure = Mutex<ModelError?>(nil)
    pool.parallelFor(aloneCount) { indexes in
      for index in indexes {
        do throws(ModelError) {
          let part = try compute(inputs[parts[index]], pool: single, body)
          results.withLock { $0.replaceSubrange(parts[index], with: part) }
        } catch {
          failure.withLock { $0 = error }
        }
      }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    if let rest = parts.dropFirst(aloneCount).first {
      let range = rest.lowerBound..<inputs.count
      let part = try compute(inputs[range], pool: pool, body)
      results.withLock { $0.replaceSubrange(range, with: part) }
    }
    return results.withLock { $0 }
  }

  /// Runs of inputs that go through the layers together.
  private static func parts(_ inputs: [EncoderInput]) -> [Range<Int>] {
    var parts: [Range<Int>] = []
    var tokenCount = 0
    for (index, input) in inputs.enumerated() {
      if let last = parts.last, tokenCount + input.ids.count <= tokensAlone {
        parts[parts.count - 1] = last.lowerBound..<index + 1
        tokenCount += input.ids.count
      } else {
        parts.append(index..<index + 1)
        tokenCount = input.ids.count
      }
    }
    return parts
  }

  private func compute<Result>(
    _ inputs: ArraySlice<EncoderInput>, pool: ThreadPool,
    _ body: (UnsafePointer<Float>, Int) -> Result
  ) throws(ModelError) -> [Result?] {
    let batch = EncoderPass.packed(inputs.map(\.ids))
    let blockCount = batch.spans.reduce(0) { $0 + $1.blocks.count }
    guard blockCount > 0 else { return inputs.map { _ in nil } }
    var (texts, row): ([Range<Int>], Int) = ([], 0)
    for input in inputs where !input.ids.isEmpty {
      texts.append(row..<row + input.ids.count)
      row += input.ids.count
    }
    var workspace = workspaces.withLock { $0.popLast() } ?? Workspace()
    defer { workspaces.withLock { $0.append(workspace) } }
    let hidden = try encoder.forward(
      BatchPlan(batch, causal: false, blockCount: blockCount),
      types: EncoderInput.types(of: inputs), texts: texts, workspace: &workspace, pool: pool)
    var next = 0
    return inputs.map { input in
      defer { next += input.ids.count }
      return input.ids.isEmpty ? nil : body(hidden[next], input.ids.count)
    }
  }
}

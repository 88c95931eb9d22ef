// Texts through a `PairedEncoder`. As many parts as there are threads go through a layer at a time, one
// on each: a text's activations stay in its core's cache, and after each layer others have their turn
// at the pool. What is left over, and a text alone, is computed by all threads together. Either way
// gives the same bits.

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
    var results: [Result?] = []
    results.reserveCapacity(inputs.count)
    for first in stride(from: 0, to: aloneCount, by: pool.threadCount) {
      let group = parts[first..<first + pool.threadCount].map { inputs[$0] }
      results += try computeSideBySide(group, body)
    }
    if let rest = parts.dropFirst(aloneCount).first {
      let part = part(inputs[rest.lowerBound...])
      defer { giveBack(part) }
      for step in 0..<encoder.stepCount { try part.compute(step, of: encoder, pool: pool) }
      results += part.results(body)
    }
    return results
  }

  /// One part on each thread.
  private func computeSideBySide<Result: Sendable>(
    _ group: [ArraySlice<EncoderInput>], _ body: @Sendable (UnsafePointer<Float>, Int) -> Result
  ) throws(ModelError) -> [Result?] {
    let parts = group.map { part($0) }
    defer { for part in parts { giveBack(part) } }
    let failure = Mutex<ModelError?>(nil)
    for step in 0..<encoder.stepCount {
      pool.parallelFor(parts.count) { indexes in
        for index in indexes {
          do throws(ModelError) {
            try parts[index].compute(step, of: encoder, pool: single)
          } catch {
            failure.withLock { $0 = error }
          }
        }
      }
      if let error = failure.withLock({ $0 }) { throw error }
    }
    return parts.flatMap { $0.results(body) }
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

  private func part(_ inputs: ArraySlice<EncoderInput>) -> PairedPart {
    PairedPart(inputs, workspace: workspaces.withLock { $0.popLast() } ?? Workspace())
  }

  private func giveBack(_ part: PairedPart) {
    let workspace = part.takeWorkspace()
    workspaces.withLock { $0.append(workspace) }
  }
}

/// Texts on their way through the layers, in memory of their own.
private final class PairedPart: Sendable {
  private let inputs: ArraySlice<EncoderInput>
  private let state: Mutex<State>

  private struct State {
    var workspace: Workspace
    /// nil until the first step, and where no input has a token.
    var activations: PairedEncoder.State?
  }

  init(_ inputs: ArraySlice<EncoderInput>, workspace: Workspace) {
    self.inputs = inputs
    state = Mutex(State(workspace: workspace))
  }

  func takeWorkspace() -> Workspace {
    state.withLock { state in
      defer { state.workspace = Workspace() }
      return state.workspace
    }
  }

  /// The first step is the embeddings, the others are layers.
  func compute(_ step: Int, of encoder: PairedEncoder, pool: ThreadPool) throws(ModelError) {
    try state.withLock { (state) throws(ModelError) in
      if step == 0 {
        state.activations = try embed(with: encoder, workspace: &state.workspace, pool: pool)
      } else if let activations = state.activations {
        try encoder.apply(
          layer: step - 1, to: activations, workspace: &state.workspace, pool: pool)
      }
    }
  }

  private func embed(
    with encoder: PairedEncoder, workspace: inout Workspace, pool: ThreadPool
  ) throws(ModelError) -> PairedEncoder.State? {
    let batch = EncoderPass.packed(inputs.map(\.ids))
    let blockCount = batch.spans.reduce(0) { $0 + $1.blocks.count }
    guard blockCount > 0 else { return nil }
    var (texts, row): ([Range<Int>], Int) = ([], 0)
    for input in inputs where !input.ids.isEmpty {
      texts.append(row..<row + input.ids.count)
      row += input.ids.count
    }
    return try encoder.embed(
      BatchPlan(batch, causal: false, blockCount: blockCount),
      types: EncoderInput.types(of: inputs), texts: texts, workspace: &workspace, pool: pool)
  }

  func results<Result>(_ body: (UnsafePointer<Float>, Int) -> Result) -> [Result?] {
    guard let hidden = state.withLock({ $0.activations?.hidden }) else {
      return inputs.map { _ in nil }
    }
    var row = 0
    return inputs.map { input in
      defer { row += input.ids.count }
      return input.ids.isEmpty ? nil : body(hidden[row], input.ids.count)
    }
  }
}

// Runs one planned step through the model and hands out each entry's rows of logits. A forward pass
// that throws is repeated sequence by sequence, so that only the one at fault is affected.

import Transformer

/// A model with a cache of its own, whatever their types.
struct CachedModel: Sendable {
  let forward: @Sendable (Batch, UnsafeMutableBufferPointer<Float>) throws -> Void
  let copyBlock: @Sendable (_ source: Int32, _ target: Int32) -> Void
}

/// A model with its KV cache and a buffer for logits.
struct ModelRunner: ~Copyable {
  let vocabularySize: Int
  private let model: CachedModel
  /// `[rows, V]`
  private let logits: UnsafeMutableBufferPointer<Float>

  init(vocabularySize: Int, maximumRows: Int, model: CachedModel) {
    self.vocabularySize = vocabularySize
    self.model = model
    logits = .allocate(capacity: maximumRows * vocabularySize)
    logits.initialize(repeating: 0)
  }

  deinit {
    logits.deallocate()
  }

  /// Computes a plan and answers each entry's rows, or why there are none. The rows are valid until
  /// the next call.
  func run(_ plan: StepPlan) -> [Result<LogitRows, InferenceError>] {
    for copy in plan.copies { model.copyBlock(copy.source, copy.target) }
    guard !plan.entries.isEmpty else { return [] }
    var rows: [LogitRows] = []
    var offset = 0
    for entry in plan.entries {
      rows.append(LogitRows(values: slice(offset, entry.span.logitCount), width: vocabularySize))
      offset += entry.span.logitCount
    }
    do {
      try model.forward(plan.batch, slice(0, offset))
      return rows.map { .success($0) }
    } catch {
      return zip(plan.entries, rows).map { runAlone($0, $1) }
    }
  }

  private func runAlone(
    _ entry: StepPlan.Entry, _ rows: LogitRows
  ) -> Result<LogitRows, InferenceError> {
    do {
      try model.forward(Batch(spans: [entry.span]), rows.values)
      return .success(rows)
    } catch {
      return .failure(.modelFailed("\(error)"))
    }
  }

  private func slice(_ row: Int, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let range = row * vocabularySize..<(row + count) * vocabularySize
    return UnsafeMutableBufferPointer(rebasing: logits[range])
  }
}

extension LanguageModel {
  /// The model with a new KV cache.
  func withCache(blockCount: Int) throws(InferenceError) -> CachedModel {
    do {
      let cache = try makeKVCache(blockCount: blockCount)
      return CachedModel(
        forward: { try self.forward($0, cache: cache, logits: $1) },
        copyBlock: { self.copyBlock(from: $0, to: $1, in: cache) })
    } catch {
      throw .modelFailed("\(error)")
    }
  }
}

/// Logits of consecutive tokens, row-major `[count, V]`.
struct LogitRows {
  let values: UnsafeMutableBufferPointer<Float>
  let width: Int

  var count: Int { values.count / width }

  subscript(row: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(rebasing: values[row * width..<(row + 1) * width])
  }
}

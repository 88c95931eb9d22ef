// Runs one planned step through the model and hands out each entry's rows of logits. Hides the
// model's type and its KV cache behind a closure. A forward pass that throws is repeated sequence
// by sequence, so that only the one at fault is affected.

/// A model with its KV cache and a buffer for logits.
struct ModelRunner: ~Copyable {
  let vocabularySize: Int
  private let forward: (Batch, UnsafeMutableBufferPointer<Float>) throws -> Void
  /// `[rows, V]`
  private let logits: UnsafeMutableBufferPointer<Float>

  init<Model: LanguageModel>(_ model: Model, blockCount: Int, maximumRows: Int) {
    let cache = model.makeKVCache(blockCount: blockCount)
    vocabularySize = model.vocabularySize
    forward = { batch, logits in try model.forward(batch, cache: cache, logits: logits) }
    logits = .allocate(capacity: maximumRows * model.vocabularySize)
    logits.initialize(repeating: 0)
  }

  deinit {
    logits.deallocate()
  }

  /// Computes `entries` and answers each one's rows, or why there are none. The rows are valid until
  /// the next call.
  func run(_ entries: [StepPlan.Entry]) -> [Result<LogitRows, InferenceError>] {
    var rows: [LogitRows] = []
    var offset = 0
    for entry in entries {
      rows.append(LogitRows(values: slice(offset, entry.span.logitCount), width: vocabularySize))
      offset += entry.span.logitCount
    }
    do {
      try forward(Batch(spans: entries.map(\.span)), slice(0, offset))
      return rows.map { .success($0) }
    } catch {
      return zip(entries, rows).map { runAlone($0, $1) }
    }
  }

  private func runAlone(
    _ entry: StepPlan.Entry, _ rows: LogitRows
  ) -> Result<LogitRows, InferenceError> {
    do {
      try forward(Batch(spans: [entry.span]), rows.values)
      return .success(rows)
    } catch {
      return .failure(.forwardFailed("\(error)"))
    }
  }

  private func slice(_ row: Int, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let range = row * vocabularySize..<(row + count) * vocabularySize
    return UnsafeMutableBufferPointer(rebasing: logits[range])
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

// Runs one planned step through the model and hands out each entry's rows of logits. A forward pass
// that throws is repeated sequence by sequence, so that only the one at fault is affected.

import Transformer

/// A forward pass over a model and a cache that are given.
typealias ForwardPass = @Sendable (Batch, UnsafeMutableBufferPointer<Float>) throws -> Void

/// A model with its KV cache and a buffer for logits.
struct ModelRunner: ~Copyable {
  let vocabularySize: Int
  private let forward: ForwardPass
  /// `[rows, V]`
  private let logits: UnsafeMutableBufferPointer<Float>

  init(vocabularySize: Int, maximumRows: Int, forward: @escaping ForwardPass) {
    self.vocabularySize = vocabularySize
    self.forward = forward
    logits = .allocate(capacity: maximumRows * vocabularySize)
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
      return .failure(.modelFailed("\(error)"))
    }
  }

  private func slice(_ row: Int, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
    let range = row * vocabularySize..<(row + count) * vocabularySize
    return UnsafeMutableBufferPointer(rebasing: logits[range])
  }
}

extension LanguageModel {
  /// A forward pass with a new KV cache; hides the model's type.
  func makeForwardPass(blockCount: Int) throws(InferenceError) -> ForwardPass {
    do {
      let cache = try makeKVCache(blockCount: blockCount)
      return { batch, logits in try self.forward(batch, cache: cache, logits: logits) }
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

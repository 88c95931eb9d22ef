// How the activations of a text's tokens become one vector (sentence_transformers' Pooling): one or
// several modes, whose vectors are put one behind the other. Refuses modes that it doesn't know.

import Checkpoints
import Glibc
import JSON

struct Pooling: Sendable, Hashable {
  enum Mode: String, Sendable, Hashable, CaseIterable {
    /// The first token's.
    case cls
    case max
    case mean
    /// The sum by the root of the count.
    case meanSqrtLength = "mean_sqrt_len_tokens"
    /// Weights grow by one from token to token.
    case weightedMean = "weightedmean"
    case lastToken = "lasttoken"
  }

  var modes: [Mode] = [.mean]
  /// Whether the tokens of a prompt count like those of the text behind it.
  var includesPrompt = true

  /// Keys of configurations before version 6, one truth value each, in the order of their vectors.
  private static let booleanKeys: KeyValuePairs = [
    "pooling_mode_cls_token": Mode.cls,
    "pooling_mode_max_tokens": .max,
    "pooling_mode_mean_tokens": .mean,
    "pooling_mode_mean_sqrt_len_tokens": .meanSqrtLength,
    "pooling_mode_weightedmean_tokens": .weightedMean,
    "pooling_mode_lasttoken": .lastToken,
  ]

  init() {}

  init(directory: String) throws(ModelError) {
    let file = try ConfigurationFile(
      path: directory + "/config.json", remedy: "modules.json lists a pooling module there")
    includesPrompt = try file.bool("include_prompt") ?? true
    if let value = file["pooling_mode"] {
      modes = []
      for name in value.array ?? [value] {
        guard let mode = name.string.flatMap(Mode.init) else {
          throw file.unsupported(
            "pooling_mode", name.string ?? name.description,
            supported: Mode.allCases.map(\.rawValue))
        }
        modes.append(mode)
      }
    } else {
      var named: [Mode] = []
      for (key, mode) in Self.booleanKeys where try file.bool(key) == true { named.append(mode) }
      if !named.isEmpty { modes = named }
    }
    guard !modes.isEmpty else { throw file.refusal("pooling_mode", "it names no mode") }
  }

  /// One vector [modes * width] from `count` rows of `width` values, of which the first
  /// `promptCount` are a prompt's.
  func apply(
    _ rows: UnsafePointer<Float>, count: Int, width: Int, promptCount: Int = 0
  ) -> [Float] {
    let first = includesPrompt || promptCount >= count ? 0 : promptCount
    return modes.flatMap { mode in
      pool(rows, first..<count, width: width, mode)
    }
  }

  private func pool(
    _ rows: UnsafePointer<Float>, _ range: Range<Int>, width: Int, _ mode: Mode
  ) -> [Float] {
    func row(_ index: Int) -> UnsafeBufferPointer<Float> {
      UnsafeBufferPointer(start: rows + index * width, count: width)
    }
    switch mode {
    case .cls: return Array(row(range.lowerBound))
    case .lastToken: return Array(row(range.upperBound - 1))
    case .max:
      return range.dropFirst().reduce(into: Array(row(range.lowerBound))) { result, index in
        for (column, value) in row(index).enumerated() {
          result[column] = Swift.max(result[column], value)
        }
      }
    case .mean: return sum(row, range, dividedBy: Float(range.count))
    case .meanSqrtLength: return sum(row, range, dividedBy: Float(range.count).squareRoot())
    case .weightedMean:
      let weights = range.reduce(Float(0)) { $0 + Float($1 + 1) }
      return sum(row, range, dividedBy: weights) { Float($0 + 1) }
    }
  }

  private func sum(
    _ row: (Int) -> UnsafeBufferPointer<Float>, _ range: Range<Int>, dividedBy divisor: Float,
    weight: ((Int) -> Float)? = nil
  ) -> [Float] {
    var result = [Float](repeating: 0, count: row(range.lowerBound).count)
    for index in range {
      let factor = weight?(index) ?? 1
      for (column, value) in row(index).enumerated() { result[column] += factor * value }
    }
    for column in result.indices { result[column] /= divisor }
    return result
  }
}

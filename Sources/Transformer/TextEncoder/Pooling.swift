// How the activations of a text's tokens become one vector. Refuses the kinds of pooling that
// sentence-transformers has beyond these, by name.

import Glibc
import JSON

enum Pooling: String, Sendable, Hashable, CaseIterable {
  case mean
  /// The first token's.
  case cls
  case max

  /// Keys of configurations before version 6, one truth value each.
  private static let booleanKeys: KeyValuePairs = [
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
  ]

  init(directory: String) throws(ModelError) {
    let file = try ConfigurationFile(
      path: directory + "/config.json", remedy: "modules.json lists a pooling module there")
    var names: [String] = []
    for (key, name) in Self.booleanKeys where try file.bool(key) == true { names.append(name) }
    if let mode = file["pooling_mode"] {
      names = (mode.array ?? [mode]).map { $0.string ?? $0.description }
    }
    let wanted = names.isEmpty ? "mean" : names.joined(separator: " and ")
    guard let pooling = Pooling(rawValue: wanted) else {
      throw file.unsupported("pooling_mode", wanted, supported: Self.allCases.map(\.rawValue))
    }
    self = pooling
  }

  /// One vector from `count` rows of `width` values.
  func apply(_ rows: UnsafePointer<Float>, count: Int, width: Int) -> [Float] {
    var result = Array(UnsafeBufferPointer(start: rows, count: width))
    guard self != .cls else { return result }
    for row in 1..<Swift.max(1, count) {
      for column in 0..<width {
        let value = rows[row * width + column]
        result[column] = self == .max ? Swift.max(result[column], value) : result[column] + value
      }
    }
    if self == .mean { for column in 0..<width { result[column] /= Float(count) } }
    return result
  }
}

/// Divides by the Euclidean length, as torch.nn.functional.normalize: never by less than 1e-12.
func normalizeLength(_ vector: inout [Float]) {
  let length = Swift.max(vector.reduce(0) { $0 + $1 * $1 }.squareRoot(), 1e-12)
  for index in vector.indices { vector[index] /= length }
}

// What `martlet inspect` says of a text encoder: its parts, the memory that it takes, and whether it
// would load here.

import Checkpoints
import Compute
package import JSON
import Transformer

package struct EncoderReport: Sendable {
  package let path: String
  /// Why it would not load; empty where it would.
  package private(set) var problems: [String] = []
  private var model: EncoderInspection?
  private var tokenCount: Int?

  /// nil where the path doesn't lead to a text encoder.
  package init?(path: String) {
    let path = ModelReport.located(path)
    self.path = path
    do throws(ModelError) {
      guard let model = try EncoderInspection(path: path, pool: ThreadPool()) else { return nil }
      self.model = model
    } catch {
      problems.append("\(error)")
    }
    do { tokenCount = try ModelText(path: path).tokenizer.count } catch {
      if !problems.contains("\(error)") { problems.append("\(error)") }
    }
  }

  package var json: JSONValue {
    var root: JSONObject = ["model": .string(path), "loads": .bool(problems.isEmpty)]
    root["problems"] = .array(problems.map(JSONValue.string))
    root["tokens"] = tokenCount.map { .integer(Int64($0)) }
    guard let model else { return .object(root) }
    root["architecture"] = .string(model.architecture)
    root["use"] = .string(model.use.rawValue)
    root["parameters"] = .integer(Int64(model.parameterCount))
    var types: JSONObject = [:]
    for (type, count) in model.parametersByType.sorted(by: { $0.key < $1.key }) {
      types[type] = .integer(Int64(count))
    }
    root["types"] = .object(types)
    root["file_bytes"] = .integer(Int64(model.fileByteCount))
    root["layers"] = .integer(Int64(model.layerCount))
    root["maximum_tokens"] = .integer(Int64(model.maximumTokens))
    root["dimension"] = model.dimension.map { .integer(Int64($0)) }
    root["default"] = .string(model.preferred.rawValue)
    root["precisions"] = .array(
      EncoderPrecision.allCases.map { precision in
        [
          "precision": .string(precision.rawValue),
          "weight_bytes": .integer(Int64(model.weightByteCounts[precision] ?? 0)),
        ]
      })
    return .object(root)
  }

  package var text: String {
    var lines = [path]
    if let model {
      let types = model.parametersByType.sorted { $0.value > $1.value }.map(\.key)
      let vectors = model.dimension.map { ", \(ModelReport.grouped($0)) dimensions" } ?? ""
      lines += [
        "  architecture  \(model.architecture), \(model.layerCount) layers",
        "  use           \(model.use.rawValue)\(vectors)",
        "  parameters    \(ModelReport.grouped(model.parameterCount)) "
          + "(\(types.joined(separator: ", ")))",
        "  files         \(ModelReport.megabytes(model.fileByteCount))",
        "  texts         up to \(ModelReport.grouped(model.maximumTokens)) tokens",
      ]
    }
    lines.append(
      "  tokenizer     " + (tokenCount.map { "\(ModelReport.grouped($0)) tokens" } ?? "none"))
    if let model {
      lines.append("  memory")
      for precision in EncoderPrecision.allCases {
        let size = ModelReport.megabytes(model.weightByteCounts[precision] ?? 0)
        let isDefault = precision == model.preferred ? " (default)" : ""
        lines.append("    \(ModelReport.column(precision.rawValue)) \(size)\(isDefault)")
      }
    }
    lines.append(problems.isEmpty ? "  loads         yes" : "  loads         no:")
    lines += problems.map { "    \($0)" }
    return lines.joined(separator: "\n")
  }
}

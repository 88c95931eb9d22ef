// What `martlet inspect` says of a model: its parts, the memory that it takes, and whether it would
// load here. Nothing is loaded for it but the tokenizer and the template.

import Checkpoints
import Compute
import FoundationEssentials
package import JSON
import Transformer

package struct ModelReport: Sendable {
  package let path: String
  /// Why it would not load; empty where it would.
  package private(set) var problems: [String] = []
  private var model: ModelInspection?
  private var tokenCount: Int?
  private var template = "none"
  /// Tokens of the context that memory is counted for.
  private let contextLength: Int

  /// - Parameter context: tokens to count memory for; nil takes what `serve` would take
  package init(path: String, context: Int?) {
    let path = Self.located(path)
    self.path = path
    var problems: [String] = []
    do throws(ModelError) { model = try ModelInspection(path: path) } catch {
      problems.append("\(error)")
    }
    do {
      let text = try ModelText(path: path)
      tokenCount = text.tokenizer.count
      if text.template != nil { template = "its own" }
    } catch {
      if !problems.contains("\(error)") { problems.append("\(error)") }
    }
    contextLength =
      context ?? min(model?.contextLength ?? .max, House.defaultContextLimit)
    let available = Processor.availableMemoryByteCount
    if let needed = model?.preferred.byteCount(contextLength: contextLength), needed > available {
      problems.append(
        "it needs \(Self.megabytes(needed)) with \(contextLength) tokens of context, and "
          + "\(Self.megabytes(available)) are available")
    }
    self.problems = problems
  }

  /// Where `serve` would find it by this name.
  static func located(_ name: String) -> String {
    let environment = ProcessInfo.processInfo.environment
    let configuration = try? ServerConfiguration.load(flags: [:], environment: environment)
    let locator = ModelLocator(folder: (configuration ?? ServerConfiguration()).models)
    return (try? locator.directory(of: name)) ?? name
  }

  package var json: JSONValue {
    var root: JSONObject = ["model": .string(path), "loads": .bool(problems.isEmpty)]
    root["problems"] = .array(problems.map(JSONValue.string))
    root["template"] = .string(template)
    root["tokens"] = tokenCount.map { .integer(Int64($0)) }
    guard let model else { return .object(root) }
    root["architecture"] = .string(model.architecture)
    root["parameters"] = .integer(Int64(model.parameterCount))
    var types: JSONObject = [:]
    for (type, count) in model.parametersByType.sorted(by: { $0.key < $1.key }) {
      types[type] = .integer(Int64(count))
    }
    root["types"] = .object(types)
    root["file_bytes"] = .integer(Int64(model.fileByteCount))
    root["layers"] = .integer(Int64(model.layerCount))
    root["context"] = .integer(Int64(model.contextLength))
    root["default"] = json(model.preferred)
    root["schemes"] = .array(model.schemes.map(json))
    return .object(root)
  }

  private func json(_ requirement: ModelInspection.Requirement) -> JSONValue {
    [
      "scheme": .string(requirement.scheme.rawValue),
      "weight_bytes": .integer(Int64(requirement.weightByteCount)),
      "cache_bytes_per_token": .integer(Int64(requirement.cacheBytesPerToken)),
      "context": .integer(Int64(contextLength)),
      "total_bytes": .integer(Int64(requirement.byteCount(contextLength: contextLength))),
    ]
  }

  package var text: String {
    var lines = [path]
    if let model {
      let types = model.parametersByType.sorted { $0.value > $1.value }.map(\.key)
      lines += [
        "  architecture  \(model.architecture), \(model.layerCount) layers",
        "  parameters    \(Self.grouped(model.parameterCount)) (\(types.joined(separator: ", ")))",
        "  files         \(Self.megabytes(model.fileByteCount))",
        "  context       \(Self.grouped(model.contextLength)) tokens",
      ]
    }
    lines.append("  tokenizer     " + (tokenCount.map { "\(Self.grouped($0)) tokens" } ?? "none"))
    lines.append("  template      \(template)")
    if let model {
      lines.append("  memory with \(Self.grouped(contextLength)) tokens of context")
      for requirement in [model.preferred] + model.schemes {
        let isPreferred = lines.last?.hasPrefix("  memory") == true
        let name = isPreferred ? "default" : requirement.scheme.rawValue
        let total = requirement.byteCount(contextLength: contextLength)
        lines.append(
          "    \(Self.column(name)) \(Self.megabytes(total)), weights "
            + Self.megabytes(requirement.weightByteCount)
            + (isPreferred ? " (\(requirement.scheme.rawValue))" : ""))
      }
    }
    lines.append(problems.isEmpty ? "  loads         yes" : "  loads         no:")
    lines += problems.map { "    \($0)" }
    return lines.joined(separator: "\n")
  }

  static func megabytes(_ count: Int) -> String {
    "\(grouped((count + 999_999) / 1_000_000)) MB"
  }

  /// 1,234,567
  static func grouped(_ number: Int) -> String {
    var digits = Array(String(number))
    for place in stride(from: digits.count - 3, to: 0, by: -3) { digits.insert(",", at: place) }
    return String(digits)
  }

  /// A name, filled up to the width of the longest.
  static func column(_ name: String) -> String {
    name + String(repeating: " ", count: max(0, 9 - name.count))
  }
}

// One row per setting: its key, how a text becomes a value, and how the value reads back.
// Refuses text that isn't a value of the setting, naming what it accepts.

import Inference
import Quantization
import Transformer

struct Setting: Sendable {
  /// Name in the YAML file; flag and environment variable derive from it.
  let key: String
  /// Several values may be given.
  var isList = false
  /// Stores the parsed text; returns what would have been accepted when it can't.
  let apply: @Sendable (_ text: String, _ configuration: inout ServerConfiguration) -> Expectation?
  /// The value as it would be written in the file; nil where it is unset.
  let read: @Sendable (ServerConfiguration) -> String?

  struct Expectation: Error {
    let description: String
  }

  typealias Path<Value> = WritableKeyPath<ServerConfiguration, Value> & Sendable

  static let all: [Setting] = [
    text("host", \.host),
    integer("port", \.port, 0...65535),
    optionalText("model", \.model),
    optionalText("chat_template", \.chatTemplate),
    optionalText("embedding_model", \.embeddingModel),
    optionalText("rerank_model", \.rerankModel),
    Setting(
      key: "embedding_precision",
      apply: { text, configuration in
        guard let precision = EncoderPrecision(rawValue: text) else {
          return oneOf(EncoderPrecision.allCases.map(\.rawValue))
        }
        configuration.embeddingPrecision = precision
        return nil
      },
      read: { $0.embeddingPrecision?.rawValue }),
    text("models", \.models),
    Setting(
      key: "quantize",
      apply: { text, configuration in
        guard let scheme = QuantizationScheme(rawValue: text) else {
          return oneOf(QuantizationScheme.allCases.map(\.rawValue))
        }
        configuration.quantize = scheme
        return nil
      },
      read: { $0.quantize?.rawValue }),
    optionalInteger("threads", \.threads, 1...1024),
    optionalInteger("context", \.context, 1...(1 << 24)),
    integer("max_sequences", \.maxSequences, 1...1024),
    integer("max_queue", \.maxQueue, 0...100_000),
    optionalInteger("kv_memory", \.kvMemory, 1...(1 << 24)),
    list("adapter", \.adapters),
    optionalText("adapter_directory", \.adapterDirectory),
    optionalText("draft_model", \.draftModel),
    Setting(
      key: "speculation",
      apply: { text, configuration in
        guard let speculation = Speculation(rawValue: text) else {
          return oneOf(Speculation.allCases.map(\.rawValue))
        }
        configuration.speculation = speculation
        return nil
      },
      read: { $0.speculation?.rawValue }),
    text("data", \.data),
    flag("vectors_on_disk", \.vectorsOnDisk),
    flag("weight_cache", \.weightCache),
    Setting(
      key: "retrieval_chain",
      apply: { text, configuration in
        guard let chain = AnswerChain(rawValue: text) else {
          return oneOf(AnswerChain.allCases.map(\.rawValue))
        }
        configuration.retrievalChain = chain
        return nil
      },
      read: { $0.retrievalChain.rawValue }),
    flag("retrieval_rewrite", \.retrievalRewrite),
    optionalInteger("retrieval_context", \.retrievalContext, 1...(1 << 24)),
    optionalText("retrieval_template", \.retrievalTemplate),
    optionalText("api_key_file", \.apiKeyFile),
    flag("allow_unauthenticated", \.allowUnauthenticated),
    integer("max_body", \.maxBody, 1...4096),
    integer("drain_seconds", \.drainSeconds, 0...86_400),
    Setting(
      key: "log_level",
      apply: { text, configuration in
        guard let level = ServerConfiguration.LogLevel(rawValue: text) else {
          return oneOf(ServerConfiguration.LogLevel.allCases.map(\.rawValue))
        }
        configuration.logLevel = level
        return nil
      },
      read: { $0.logLevel.rawValue }),
  ]

  var flag: String { "--" + key.split(separator: "_").joined(separator: "-") }
  var environmentVariable: String { "MARTLET_" + key.uppercased() }

  // MARK: - Kinds of setting

  private static func text(_ key: String, _ path: any Path<String>) -> Setting {
    Setting(
      key: key,
      apply: { text, configuration in
        guard !text.isEmpty else { return Expectation(description: "a text that isn't empty") }
        configuration[keyPath: path] = text
        return nil
      },
      read: { $0[keyPath: path] })
  }

  private static func optionalText(_ key: String, _ path: any Path<String?>) -> Setting {
    Setting(
      key: key,
      apply: { text, configuration in
        configuration[keyPath: path] = text.isEmpty ? nil : text
        return nil
      },
      read: { $0[keyPath: path] })
  }

  /// Values with commas between them; the file may have a list, too.
  private static func list(_ key: String, _ path: any Path<[String]>) -> Setting {
    Setting(
      key: key, isList: true,
      apply: { text, configuration in
        configuration[keyPath: path] = text.split(separator: ",").map(String.init)
        return nil
      },
      read: { $0[keyPath: path].isEmpty ? nil : $0[keyPath: path].joined(separator: ",") })
  }

  private static func integer(
    _ key: String, _ path: any Path<Int>, _ range: ClosedRange<Int>
  ) -> Setting {
    Setting(
      key: key,
      apply: { text, configuration in
        guard let value = Int(text), range.contains(value) else { return whole(range) }
        configuration[keyPath: path] = value
        return nil
      },
      read: { String($0[keyPath: path]) })
  }

  private static func optionalInteger(
    _ key: String, _ path: any Path<Int?>, _ range: ClosedRange<Int>
  ) -> Setting {
    Setting(
      key: key,
      apply: { text, configuration in
        guard let value = Int(text), range.contains(value) else { return whole(range) }
        configuration[keyPath: path] = value
        return nil
      },
      read: { $0[keyPath: path].map(String.init) })
  }

  private static func flag(_ key: String, _ path: any Path<Bool>) -> Setting {
    Setting(
      key: key,
      apply: { text, configuration in
        switch text.lowercased() {
        case "true", "yes", "on", "1": configuration[keyPath: path] = true
        case "false", "no", "off", "0": configuration[keyPath: path] = false
        default: return oneOf(["true", "false"])
        }
        return nil
      },
      read: { $0[keyPath: path] ? "true" : "false" })
  }

  private static func whole(_ range: ClosedRange<Int>) -> Expectation {
    Expectation(description: "a whole number from \(range.lowerBound) to \(range.upperBound)")
  }

  private static func oneOf(_ values: [String]) -> Expectation {
    Expectation(description: "one of " + values.joined(separator: ", "))
  }
}

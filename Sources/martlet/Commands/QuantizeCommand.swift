// `martlet quantize DIR OUT`: writes a model as a directory of quantised weights.

import ArgumentParser
import Checkpoints
import Compute
import Inference
import JSON
import Quantization
import Transformer

struct QuantizeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Write a model with quantised weights.",
    discussion: """
      The result is a directory in Hugging Face layout that loads as the model itself would with \
      --quantize, faster and from a smaller file.
      """)

  @Argument(help: "Model directory or .gguf file.") var model: String
  @Argument(help: "Directory to write, which must not exist.") var output: String
  @Option(help: "int4, nf4 or int8.") var scheme = "int4"
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?

  func run() async throws {
    guard let scheme = QuantizationScheme(rawValue: scheme), scheme != .none else {
      throw CommandFailure(
        message: "--scheme is '\(self.scheme)'; expected int4, nf4 or int8", exitCode: 64)
    }
    let (model, output, threads) = (model, output, threads)
    let bar = ProgressBar("Quantising")
    let show: (@Sendable (Double) -> Void)? = Terminal.showsProgress ? bar.show : nil
    do {
      try await onOwnThread {
        try ModelQuantizer(source: model, scheme: scheme).write(
          to: output, extraFiles: try Self.textFiles(of: model),
          pool: ThreadPool(threads: threads), progress: { show?($0) })
      }
    } catch let error as ModelError {
      if case .unwritableFile = error { throw CommandFailure.failure("\(error)") }
      throw CommandFailure.configuration("\(error)")
    }
    Terminal.print("\(output): \(scheme.rawValue) weights of \(model)")
  }

  /// Tokenizer and template of a GGUF file; directories have theirs as files already.
  static func textFiles(
    of model: String
  ) throws(ModelError) -> [(name: String, bytes: [UInt8])] {
    guard let path = try GGUFFile.path(at: model) else { return [] }
    let tokenizer = try GGUFTokenizer(GGUFFile(path: path))
    return [
      ("tokenizer.json", tokenizer.tokenizerFile),
      ("tokenizer_config.json", tokenizer.configurationFile.serialized()),
    ]
  }
}

/// Runs what blocks outside of the cooperative pool.
func onOwnThread<T: Sendable>(_ work: @Sendable @escaping () throws -> T) async throws -> T {
  try await ComputeThread(name: "command").perform(work)
}

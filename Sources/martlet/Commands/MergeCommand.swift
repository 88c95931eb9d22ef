// `martlet merge BASE ADAPTER OUT`: a model with a PEFT adapter's changes in its own weights.

import ArgumentParser
import Checkpoints
import Compute
import Transformer

struct MergeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Write a model with an adapter merged into its weights.",
    discussion: """
      The result is a directory in Hugging Face layout in the element types of the base; a quantised \
      base is dequantised. LoRA (DoRA included), IA3 and modules trained in full can be merged; \
      virtual tokens (prompt tuning, P-tuning, prefix tuning) can't.
      """)

  @Argument(help: "Model directory or .gguf file.") var base: String
  @Argument(help: "Directory of a PEFT adapter for it.") var adapter: String
  @Argument(help: "Directory to write, which must not exist.") var output: String
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?

  func run() async throws {
    let (base, adapter, output, threads) = (base, adapter, output, threads)
    let bar = ProgressBar("Merging")
    let show: (@Sendable (Double) -> Void)? = Terminal.showsProgress ? bar.show : nil
    let dequantized: String?
    do {
      dequantized = try await onOwnThread {
        let merger = try AdapterMerger(base: base, adapter: adapter)
        try merger.write(
          to: output, extraFiles: try QuantizeCommand.textFiles(of: base),
          pool: ThreadPool(threads: threads), progress: { show?($0) })
        return merger.dequantized
      }
    } catch let error as ModelError {
      if case .unwritableFile = error { throw CommandFailure.failure("\(error)") }
      throw CommandFailure.configuration("\(error)")
    }
    Terminal.print("\(output): \(adapter) merged into \(base)")
    if let dequantized {
      Terminal.print(
        "The base is quantised; what was is dequantised to \(dequantized). Quantise the result with "
          + "`martlet quantize`.")
    }
  }
}

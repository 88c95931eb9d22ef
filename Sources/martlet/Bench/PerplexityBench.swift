// `martlet bench perplexity`: how well a model predicts a text, which shows what quantising its
// weights costs.

import ArgumentParser
import Compute
import FoundationEssentials
import JSON
import Quantization
import Server
import Tokenizers
import Transformer

struct PerplexityBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity",
    abstract: "Perplexity of a text, in strided windows as Hugging Face's guide computes it.")

  @Option(help: ArgumentHelp("Model directory or GGUF file.", valueName: "dir")) var model: String
  @Option(help: ArgumentHelp("UTF-8 text; special tokens in it are parsed.", valueName: "file"))
  var text: String
  @Option(help: "none, int8, int4 or nf4.") var quantize = "int4"
  @Option(help: "Tokens of a window (default: the model's limit, at most 2048).") var context: Int?
  @Option(help: "Tokens from one window to the next (default: half a window).") var stride: Int?
  @Option(help: "Compute threads (default: all usable cores).") var threads: Int?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let pool = ThreadPool(threads: threads)
    let (model, tokens) = try load(pool: pool)
    let context = context ?? min(2048, model.configuration.contextLength)
    let limit = model.configuration.contextLength
    guard context >= 2, context <= limit else {
      throw CommandFailure.configuration("--context is \(context); expected 2 to \(limit)")
    }
    let stride = stride ?? context / 2
    guard (1..<context).contains(stride) else {
      throw CommandFailure.configuration("--stride is \(stride); expected 1 to \(context - 1)")
    }
    let bar = ProgressBar("Reading")
    let watch = ContinuousClock.now
    let perplexity = try model.perplexity(of: tokens, context: context, stride: stride) {
      if Terminal.showsProgress { bar.show($0) }
    }
    var report = BenchReport("perplexity", pool: pool)
    report["model"] = .string(self.model)
    report["scheme"] = .string(model.scheme.rawValue)
    report["weight_bytes"] = .integer(Int64(model.weightByteCount))
    report["context"] = .integer(Int64(context))
    report["stride"] = .integer(Int64(stride))
    report["tokens"] = .integer(Int64(perplexity.tokenCount))
    report["perplexity"] = .rounded(perplexity.value, 5)
    report["seconds"] = .rounded((ContinuousClock.now - watch) / .seconds(1), 1)
    report.print(asJSON: json)
  }

  private func load(pool: ThreadPool) throws(CommandFailure) -> (CausalLM, [Int32]) {
    guard let scheme = QuantizationScheme(rawValue: quantize) else {
      throw .configuration("--quantize is '\(quantize)'; expected none, int8, int4 or nf4")
    }
    guard let bytes = FileManager.default.contents(atPath: text),
      let content = String(validating: bytes, as: UTF8.self)
    else { throw .configuration("\(text) is missing, not readable or not UTF-8") }
    do {
      let tokens = try ModelText.tokenizer(path: self.model).encode(content, addSpecialTokens: true)
      let model = try CausalLM.load(directory: self.model, scheme: scheme, pool: pool)
      let vocabulary = model.configuration.vocabularySize
      guard tokens.count >= 2, tokens.allSatisfy({ (0..<vocabulary).contains(Int($0)) }) else {
        throw CommandFailure.configuration(
          "\(text) must be two tokens at least, all within the model's vocabulary")
      }
      return (model, tokens)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw .configuration("\(error)")
    }
  }
}

// `martlet bench tokenize`: how fast a tokenizer loads, encodes a text and decodes it again, on one
// thread. Benchmarks/compare_tokenizers.py holds it against Hugging Face `tokenizers`.

import ArgumentParser
import Compute
import FoundationEssentials
import JSON
import Tokenizers

struct TokenizeBenchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Megabytes of text per second of a tokenizer.")

  @Option(help: ArgumentHelp("Directory with the tokenizer's files.", valueName: "dir"))
  var tokenizer = "Models/all-MiniLM-L6-v2"
  @Option(help: ArgumentHelp("UTF-8 text, each line encoded by itself.", valueName: "file"))
  var text: String?
  @Flag(help: "Encode the text as a whole.") var whole = false
  @Option(help: "Counted runs; the median is reported.") var runs = 5
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    let texts = try texts()
    let byteCount = texts.reduce(0) { $0 + $1.utf8.count }
    do {
      let load = try await Timings.measure(runs: 3) {
        _ = try Tokenizer(directory: self.tokenizer)
      }
      let tokenizer = try Tokenizer(directory: self.tokenizer)
      var ids: [[Int32]] = []
      let encode: () -> Void = {
        ids = texts.map { tokenizer.encode($0, addSpecialTokens: false) }
      }
      let first = await Timings.measure(runs: 1, warmUps: 0, encode)
      let warm = await Timings.measure(runs: runs, warmUps: 0, encode)
      var characters = 0
      let decode = await Timings.measure(runs: runs) {
        characters = ids.reduce(0) { $0 + tokenizer.decode($1).utf8.count }
      }
      let tokens = ids.reduce(0) { $0 + $1.count }
      let megabytes = Double(byteCount) / 1e6
      var report = BenchReport("tokenize", pool: ThreadPool(threads: 1))
      report["tokenizer"] = .string(self.tokenizer)
      report["texts"] = .integer(Int64(texts.count))
      report["megabytes"] = .rounded(megabytes)
      report["tokens"] = .integer(Int64(tokens))
      report["load_seconds"] = .rounded(load.median, 4)
      report["first_megabytes_per_second"] = .rounded(megabytes / first.median)
      report["megabytes_per_second"] = .rounded(megabytes / warm.median)
      report["tokens_per_second"] = .rounded(Double(tokens) / warm.median, 0)
      report["decoded_megabytes_per_second"] = .rounded(Double(characters) / 1e6 / decode.median)
      report.print(asJSON: json)
    } catch let error as TokenizerError {
      throw CommandFailure.configuration("\(error)")
    }
  }

  private func texts() throws -> [String] {
    guard let text else { return BenchText.documents(count: 2000, words: 100) }
    guard let data = FileManager.default.contents(atPath: text) else {
      throw CommandFailure.configuration("cannot read \(text)")
    }
    let content = String(decoding: data, as: UTF8.self)
    return whole ? [content] : content.split(separator: "\n").map(String.init)
  }
}

// `martlet inspect DIR`: what a model is, what memory it takes, and whether it would load here.

import ArgumentParser
import Server

struct InspectCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "Tell what a model is and what loading it takes.",
    discussion: "Exits with 78 where the model would not load, saying why.")

  @Argument(help: "Model directory, .gguf file, or name as serve takes it.") var model: String
  @Option(help: "Tokens of context to count memory for (default: as serve).") var context: Int?
  @Flag(help: "Print the answer as JSON.") var json = false

  func run() async throws {
    let (model, context) = (model, context)
    let (text, json, loads) = try await onOwnThread {
      if let report = EncoderReport(path: model) {
        return (report.text, report.json, report.problems.isEmpty)
      }
      let report = ModelReport(path: model, context: context)
      return (report.text, report.json, report.problems.isEmpty)
    }
    Terminal.print(self.json ? json.description : text)
    if !loads { throw ExitCode(78) }
  }
}

// The command line. Commands talk to a running server with `--server URL`; without it they answer
// requests in this process, through the very same endpoints.

import ArgumentParser
import Glibc
import Server

@main
struct MartletCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract:
      "Chat with a language model, embed text and question your documents, on your machine.",
    version: Martlet.version,
    subcommands: [
      ServeCommand.self, ChatCommand.self, IngestCommand.self, ReindexCommand.self,
      RetrieveCommand.self, EmbedCommand.self, PullCommand.self, InspectCommand.self,
      QuantizeCommand.self,
      MergeCommand.self, BenchCommand.self, EvaluateCommand.self, BackupCommand.self,
      RestoreCommand.self, DoctorCommand.self, VersionCommand.self,
    ])

  static func main() async {
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let failure as CommandFailure {
      Terminal.error(failure.message)
      Glibc.exit(failure.exitCode)
    } catch {
      exit(withError: error)
    }
  }
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version.")

  func run() { print("martlet \(Martlet.version)") }
}

/// A failure told in one sentence, with the exit code sysexits(3) gives its kind.
struct CommandFailure: Error {
  var message: String
  var exitCode: Int32

  init(message: String, exitCode: Int32) {
    self.message = message
    self.exitCode = exitCode
  }

  init(_ failure: StartupFailure) {
    self.init(message: failure.message, exitCode: failure.isConfiguration ? 78 : 1)
  }

  /// The command couldn't do what it was asked.
  static func failure(_ message: String) -> CommandFailure {
    CommandFailure(message: message, exitCode: 1)
  }

  /// Wrong configuration, or a model that can't be loaded (EX_CONFIG).
  static func configuration(_ message: String) -> CommandFailure {
    CommandFailure(message: message, exitCode: 78)
  }
}

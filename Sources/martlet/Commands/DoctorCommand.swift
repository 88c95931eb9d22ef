// `martlet doctor`: looks at configuration, models, data folder and database, and says what is wrong.

import ArgumentParser
import Retrieval
import Server

struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check models, data folder and database.",
    discussion: """
      Reads the whole database and changes nothing; a server may be running. Exits with 1 where \
      something is wrong.
      """)

  @OptionGroup var options: ConfigurationOptions
  @Flag(help: "Print the answer as JSON.") var json = false

  func run() async throws {
    let configuration = try options.load()
    let findings = try await onOwnThread { Doctor(configuration).findings() }
    if json {
      Terminal.print(Doctor.json(findings).description)
    } else {
      for finding in findings {
        let mark =
          switch finding.level {
          case .ok: "ok     "
          case .warning: "warning"
          case .failure: "FAILED "
          }
        Terminal.print("\(mark)  \(finding.subject): \(finding.message)")
      }
    }
    if findings.contains(where: { $0.level == .failure }) { throw ExitCode(1) }
  }
}

// Where the data folder is, for commands that work on its files.

import ArgumentParser
import Server

struct DataOptions: ParsableArguments {
  @Option(help: ArgumentHelp("YAML file with settings.", valueName: "file"))
  var config: String?
  @Option(help: ArgumentHelp("Folder of the database (default ./data).", valueName: "dir"))
  var data: String?
  @Flag(help: "Print the answer as JSON.")
  var json = false

  func folder() throws(CommandFailure) -> String {
    var flags: [String: String] = [:]
    flags["data"] = data
    return try ServerConfiguration.load(flags: flags, config: config).data
  }
}

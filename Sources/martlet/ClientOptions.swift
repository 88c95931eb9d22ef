// Where a command's answers come from: `--server URL`, or this process with its own models and data.

import ArgumentParser
import FoundationEssentials
import Server

struct ClientOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Use the server at this URL instead of loading anything here.", valueName: "url"))
  var server: String?
  @Option(help: "API key for --server (default: the environment's MARTLET_API_KEY).")
  var apiKey: String?
  @Flag(help: "Print the answer as JSON.")
  var json = false
  @Option(help: ArgumentHelp("YAML file with settings.", valueName: "file"))
  var config: String?
  @Option(help: ArgumentHelp("Chat model: a directory, a name, or none.", valueName: "dir|name"))
  var model: String?
  @Option(help: ArgumentHelp("Embedding model: a directory or a name.", valueName: "dir|name"))
  var embeddingModel: String?
  @Option(help: ArgumentHelp("Reranking model: a directory or a name.", valueName: "dir|name"))
  var rerankModel: String?
  @Option(help: ArgumentHelp("Folder of named models (default Models).", valueName: "dir"))
  var models: String?
  @Option(help: "Weights of the chat model: none, int8, int4 or nf4 (default int4, or as stored).")
  var quantize: String?
  @Option(help: "Compute threads (default: all usable cores).")
  var threads: String?
  @Option(help: ArgumentHelp("Folder of the database (default ./data).", valueName: "dir"))
  var data: String?

  /// - Parameter needsChatModel: whether a command in this process loads the chat model.
  func open(needsChatModel: Bool) async throws(CommandFailure) -> any APIClient {
    let environment = ProcessInfo.processInfo.environment
    if let server {
      return try RemoteClient(server: server, key: apiKey ?? environment["MARTLET_API_KEY"])
    }
    let flags: [String: String?] = [
      "model": needsChatModel ? model : "none", "embedding_model": embeddingModel,
      "rerank_model": rerankModel, "models": models, "quantize": quantize, "threads": threads,
      "data": data,
      "log_level": environment["MARTLET_LOG_LEVEL"] ?? "warning",
    ]
    return try await LocalClient.open(
      try .load(flags: flags.compactMapValues { $0 }, config: config))
  }
}

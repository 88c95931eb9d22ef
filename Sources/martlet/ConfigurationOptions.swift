// The server's settings as flags; what isn't given comes from the environment, the file, or the
// defaults.

import ArgumentParser
import FoundationEssentials
import Server

struct ConfigurationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("YAML file with settings.", valueName: "file"))
  var config: String?
  @Option(help: "Address to listen on (default 127.0.0.1).")
  var host: String?
  @Option(help: "Port to listen on; 0 takes a free one (default 8080).")
  var port: String?
  @Option(help: ArgumentHelp("Chat model: a directory, a name, or none.", valueName: "dir|name"))
  var model: String?
  @Option(
    help: ArgumentHelp(
      "Chat template instead of the model's: a file or a built-in one's name.",
      valueName: "file|name"))
  var chatTemplate: String?
  @Option(help: ArgumentHelp("Embedding model: a directory or a name.", valueName: "dir|name"))
  var embeddingModel: String?
  @Option(help: ArgumentHelp("Folder of named models (default Models).", valueName: "dir"))
  var models: String?
  @Option(help: "Weights of the chat model: none, int8, int4 or nf4 (default int4, or as stored).")
  var quantize: String?
  @Option(help: "Compute threads (default: all usable cores).")
  var threads: String?
  @Option(help: "Tokens per sequence (default: the model's limit, at most 8192).")
  var context: String?
  @Option(help: "Sequences generated at the same time (default 8).")
  var maxSequences: String?
  @Option(help: "Requests that may wait (default 64).")
  var maxQueue: String?
  @Option(help: "Memory for keys and values in MiB.")
  var kvMemory: String?
  @Option(
    help: ArgumentHelp(
      "PEFT adapter of the chat model, under a name of its own; may be repeated.",
      valueName: "[name=]dir"))
  var adapter: [String] = []
  @Option(
    help: ArgumentHelp(
      "Folder from which POST /v1/adapters may load (default: none).", valueName: "dir"))
  var adapterDirectory: String?
  @Option(
    help: ArgumentHelp(
      "Smaller model of the same tokens that guesses tokens to come.", valueName: "dir|name"))
  var draftModel: String?
  @Option(
    help: "Where guesses at tokens to come are from: off, lookup or draft (default lookup).")
  var speculation: String?
  @Option(help: ArgumentHelp("Folder of the database (default ./data).", valueName: "dir"))
  var data: String?
  @Option(help: "Keep quantised weights under the data folder for the next start (default true).")
  var weightCache: String?
  @Option(
    help: ArgumentHelp(
      "How passages become an answer: stuff, map_reduce or refine (default stuff).",
      valueName: "chain"))
  var retrievalChain: String?
  @Option(help: "Have the chat model rewrite questions before the search (default false).")
  var retrievalRewrite: String?
  @Option(help: "Most tokens of passages in a prompt (default: what the context leaves).")
  var retrievalContext: String?
  @Option(
    help: ArgumentHelp("Jinja file that puts passages before the model.", valueName: "file"))
  var retrievalTemplate: String?
  @Option(help: ArgumentHelp("File with one API key per line.", valueName: "file"))
  var apiKeyFile: String?
  @Flag(help: "Allow an address other than loopback without keys.")
  var allowUnauthenticated = false
  @Option(help: "Largest request body in MiB (default 32).")
  var maxBody: String?
  @Option(help: "Seconds for running requests to finish on SIGTERM (default 30).")
  var drainSeconds: String?
  @Option(help: "debug, info, warning or error (default info).")
  var logLevel: String?

  /// The merged configuration, or the reason why there is none.
  func load() throws(CommandFailure) -> ServerConfiguration {
    try .load(flags: flags, config: config)
  }

  private var flags: [String: String] {
    let values: [String: String?] = [
      "host": host, "port": port, "model": model, "chat_template": chatTemplate,
      "embedding_model": embeddingModel,
      "models": models, "quantize": quantize, "threads": threads, "context": context,
      "max_sequences": maxSequences, "max_queue": maxQueue, "kv_memory": kvMemory,
      "adapter": adapter.isEmpty ? nil : adapter.joined(separator: ","),
      "adapter_directory": adapterDirectory, "draft_model": draftModel, "speculation": speculation,
      "data": data, "weight_cache": weightCache, "retrieval_chain": retrievalChain,
      "retrieval_rewrite": retrievalRewrite, "retrieval_context": retrievalContext,
      "retrieval_template": retrievalTemplate, "api_key_file": apiKeyFile,
      "allow_unauthenticated": allowUnauthenticated ? "true" : nil,
      "max_body": maxBody, "drain_seconds": drainSeconds, "log_level": logLevel,
    ]
    return values.compactMapValues { $0 }
  }
}

extension ServerConfiguration {
  /// Flags, environment and the file at `config` (or `MARTLET_CONFIG`).
  static func load(
    flags: [String: String], config: String?
  ) throws(CommandFailure) -> ServerConfiguration {
    let environment = ProcessInfo.processInfo.environment
    do throws(ConfigurationError) {
      let path = config ?? environment["MARTLET_CONFIG"]
      return try .load(flags: flags, environment: environment, file: try path.map(readFile))
    } catch {
      throw .configuration(error.description)
    }
  }

  private static func readFile(
    _ path: String
  ) throws(ConfigurationError) -> (path: String, text: String) {
    do { return (path, try String(contentsOfFile: path, encoding: .utf8)) } catch {
      throw .unreadable(path: path, reason: "it is missing, not readable or not UTF-8")
    }
  }
}

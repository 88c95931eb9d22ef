// `martlet pull NAME`: fetches a model from the Hugging Face hub, or a mirror of it, into the cache that
// Hugging Face's own tools use.

import ArgumentParser
import FoundationEssentials
import Glibc
import Hub
import JSON

struct PullCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pull", abstract: "Fetch a model from the Hugging Face hub.",
    discussion: """
      Prints the path to load; 'martlet serve --model NAME' finds it by itself. Fetches what loading needs: \
      weights in safetensors if there are any, else PyTorch's .bin, else the GGUF file of the variant \
      (Q4_K_M unless named). Interrupted, it goes on from there the next time. Private and gated models need \
      an access token: HF_TOKEN, --token-file, or the one that 'hf auth login' has left. HF_HOME, \
      HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE, SSL_CERT_FILE, HTTPS_PROXY and NO_PROXY are heeded.
      """)

  @Argument(
    help: ArgumentHelp(
      "organisation/name, with :variant and @revision if wished.",
      valueName: "name[:variant][@revision]"))
  var model: String
  @Option(help: ArgumentHelp("Take only files that match (repeatable).", valueName: "pattern"))
  var include: [String] = []
  @Option(help: ArgumentHelp("Leave out files that match (repeatable).", valueName: "pattern"))
  var exclude: [String] = []
  @Option(
    help: ArgumentHelp("Mirror of the hub (default https://huggingface.co).", valueName: "url"))
  var endpoint: String?
  @Option(help: ArgumentHelp("File with the access token.", valueName: "file"))
  var tokenFile: String?
  @Option(
    name: .customLong("ca-file"),
    help: ArgumentHelp(
      "Certificate authorities to trust instead of the system's (PEM).", valueName: "file"))
  var authorityFile: String?
  @Flag(help: "Ask nobody: only see whether the model is in the cache.") var offline = false
  @Flag(help: "Print the answer as JSON.") var json = false

  func run() async throws {
    let bar = ProgressBar("Fetching")
    let signals = TerminationSignals()
    let watching = Task {
      for await number in signals.received {
        bar.note("stopped; the same command goes on from here")
        Glibc.exit(128 + number)
      }
    }
    defer { watching.cancel() }
    do {
      let pulled = try await pull(showing: bar)
      Terminal.print(json ? Self.json(pulled).description : pulled.path)
    } catch let error as HubError {
      if Terminal.showsProgress { bar.show(1) }
      if case .invalidReference = error { throw CommandFailure(message: "\(error)", exitCode: 64) }
      throw CommandFailure.failure("\(error)")
    }
  }

  private func pull(showing bar: ProgressBar) async throws -> PulledModel {
    var flags = HubSettings.Flags()
    flags.endpoint = endpoint
    flags.tokenFile = tokenFile
    flags.authorityFile = authorityFile
    flags.isOffline = offline
    var retries = RetryPolicy()
    retries.note = bar.note
    let showsProgress = Terminal.showsProgress
    return try await ModelPull(
      ModelReference(model), selection: FileSelection(include: include, exclude: exclude),
      settings: HubSettings(flags, environment: ProcessInfo.processInfo.environment),
      retries: retries, progress: { if showsProgress { bar.show($0.share) } }
    ).run()
  }

  private static func json(_ pulled: PulledModel) -> JSONValue {
    [
      "model": .string(pulled.model), "revision": .string(pulled.revision),
      "commit": .string(pulled.commit), "path": .string(pulled.path),
      "files": .array(pulled.files.map(JSONValue.string)),
      "bytes": .integer(Int64(pulled.byteCount)),
    ]
  }
}

// `martlet serve`: loads the models and answers until SIGTERM or Ctrl-C.

import ArgumentParser
import Dispatch
import FoundationEssentials
import Glibc
import Server

struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve the API over HTTP.")

  @OptionGroup var options: ConfigurationOptions
  @Flag(help: "Check the configuration, print it, and exit.")
  var checkConfig = false

  func run() async throws {
    let configuration = try options.load()
    for (name, meant) in ServerConfiguration.misspelt(in: ProcessInfo.processInfo.environment) {
      Terminal.error("\(name) is no setting and has no effect; did you mean \(meant)?")
    }
    if checkConfig {
      do throws(ConfigurationError) {
        _ = try configuration.readAPIKeys()
      } catch {
        throw CommandFailure.configuration(error.description)
      }
      Terminal.print(configuration.yaml, terminator: "")
      return
    }
    let signals = TerminationSignals()
    Self.outliveReaders()
    let server: MartletServer
    do throws(StartupFailure) {
      server = try await MartletServer.start(configuration)
    } catch {
      throw CommandFailure(error)
    }
    Terminal.print("Martlet \(Martlet.version) on \(server.url), loading models ...")
    Task { await load(server) }
    await finish(server, on: signals)
  }

  /// Ctrl-C in a terminal also ends whoever the log is piped to, and running requests are finished.
  static func outliveReaders() { signal(SIGPIPE, SIG_IGN) }

  /// Exits the process where the models can't be loaded.
  private func load(_ server: MartletServer) async {
    do throws(StartupFailure) {
      let bar = ProgressBar("Loading")
      let summary = try await server.load(progress: Terminal.showsProgress ? bar.show : nil)
      Terminal.print("Ready: \(summary). Stop with Ctrl-C.")
    } catch {
      let failure = CommandFailure(error)
      Terminal.error(failure.message)
      Glibc.exit(failure.exitCode)
    }
  }

  /// First signal: drain, then exit with 0. Second signal: exit at once.
  private func finish(_ server: MartletServer, on signals: TerminationSignals) async {
    var isDraining = false
    for await _ in signals.received {
      if isDraining { Glibc.exit(0) }
      isDraining = true
      Terminal.print("Finishing running requests; interrupt again to stop at once.")
      Task {
        await server.drain()
        Glibc.exit(0)
      }
    }
  }
}

/// SIGTERM and SIGINT as events instead of sudden death.
struct TerminationSignals {
  let received: AsyncStream<Int32>
  private let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    received = stream
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler { continuation.yield(number) }
      source.activate()
      return source
    }
  }
}

// The house without its door: routes, models and documents, no socket. The server puts it on the
// network; commands without a server and tests send requests to its router directly.

import Compute
package import HTTP
import Logging
import Synchronization

/// Why the house can't be opened. `isConfiguration`: what it was told is wrong, so that trying
/// again won't help.
package struct StartupFailure: Error, Sendable, CustomStringConvertible {
  package var message: String
  package var isConfiguration: Bool
  package var description: String { message }
}

package final class Application: Sendable {
  package let router: Router
  let state = ServerState()
  let metrics = ServerMetrics()
  let jobs: JobBoard
  let configuration: ServerConfiguration
  let logger: Logger
  /// Quantised weights being written for the next start.
  private let saving = Mutex<Task<Void, Never>?>(nil)

  /// Answers from now on, though every route that needs a model says that it is being loaded.
  init(
    _ configuration: ServerConfiguration, keys: APIKeys?, logger: Logger
  ) {
    self.configuration = configuration
    self.logger = logger
    jobs = JobBoard(logger: logger)
    router = Routes(
      state: state, metrics: metrics, jobs: jobs, keys: keys, logger: logger,
      adapterFolder: AdapterFolder(path: configuration.adapterDirectory)
    ).router()
  }

  /// For use inside this process only: no keys are asked for.
  package convenience init(local configuration: ServerConfiguration) {
    self.init(
      configuration, keys: nil, logger: Self.standardLogger(level: configuration.logLevel))
  }

  /// Loads models and documents and becomes ready. Returns one line on what was loaded.
  /// - Parameters:
  ///   - serverURL: told to other processes that find the data directory in use
  ///   - progress: told the share of the chat model that is loaded, from 0 to 1; nil writes lines
  ///     into the log
  package func load(
    serverURL: String? = nil, progress: (@Sendable (Double) -> Void)? = nil
  ) async throws(StartupFailure) -> String {
    let watch = Stopwatch()
    if let isa = Processor.refusedISA {
      logger.warning(
        "MARTLET_ISA names no instruction set of this processor",
        metadata: ["found": .string(isa), "isa": .string(Processor.isa)])
    }
    let answers = try AnswerDefaults(configuration)
    let house = try await House.open(
      configuration, serverURL: serverURL, logger: logger, progress: progress)
    state.publish(
      chat: house.chat, adapters: house.adapters, embedding: house.embedding,
      rerank: house.rerank, documents: house.documents, answers: answers)
    logger.info("ready", metadata: ["load_seconds": .stringConvertible(watch.seconds)])
    if let weights = house.chat?.unsavedWeights {
      saving.withLock { $0 = WeightSaving.start(weights, logger: logger) }
    }
    return house.summary
  }

  /// Ends running generations and closes the documents.
  package func close() async {
    state.beginDraining()
    await jobs.close()
    await state.chat?.engine.shutdown()
    await saving.withLock { $0 }?.value
    do { try await state.takeDocuments()?.close() } catch {
      // Nothing is lost: the log is read back at the next start.
      logger.warning("closing the documents failed", metadata: ["error": .string("\(error)")])
    }
  }

  static func standardLogger(level: ServerConfiguration.LogLevel) -> Logger {
    let level = Logger.Level(rawValue: level.rawValue) ?? .info
    return Logger(label: "martlet") { JSONLinesLogHandler(label: $0, level: level) }
  }
}

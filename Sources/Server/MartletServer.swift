// The application on the network. It listens before it loads, so that probes see a server that is
// starting and a port in use is noticed at once.

import HTTP

package final class MartletServer: Sendable {
  package let application: Application
  package let url: String
  private let http: HTTPServer

  /// Listens; `application.load` makes it ready.
  package static func start(
    _ configuration: ServerConfiguration
  ) async throws(StartupFailure) -> MartletServer {
    let keys: APIKeys?
    do throws(ConfigurationError) {
      keys = try configuration.readAPIKeys()
    } catch {
      throw StartupFailure(message: error.description, isConfiguration: true)
    }
    let logger = Application.standardLogger(level: configuration.logLevel)
    let application = Application(configuration, keys: keys, logger: logger)
    var settings = HTTPServerConfiguration(host: configuration.host, port: configuration.port)
    settings.maximumBodyBytes = configuration.maxBody << 20
    do {
      let http = try HTTPServer(
        configuration: settings, router: application.router, logger: logger)
      let address = try await http.start()
      return MartletServer(application: application, http: http, address: address)
    } catch {
      throw StartupFailure(message: "\(error)", isConfiguration: false)
    }
  }

  private init(application: Application, http: HTTPServer, address: BoundAddress) {
    self.application = application
    self.http = http
    let host = address.host.contains(":") ? "[\(address.host)]" : address.host
    url = "http://\(host):\(address.port)"
  }

  /// Loads what the configuration names. Returns one line on what was loaded.
  /// - Parameter progress: as `Application.load` says
  package func load(
    progress: (@Sendable (Double) -> Void)? = nil
  ) async throws(StartupFailure) -> String {
    try await application.load(serverURL: url, progress: progress)
  }

  /// Refuses new work, lets running requests finish within the configured time, then closes.
  package func drain() async {
    application.state.beginDraining()
    // Those who watch them would be waited for.
    await application.jobs.close()
    await http.drain(deadlineSeconds: Double(application.configuration.drainSeconds))
    await application.close()
  }

  /// Cuts every connection and closes.
  package func stop() async {
    application.state.beginDraining()
    await http.stop()
    await application.close()
  }
}

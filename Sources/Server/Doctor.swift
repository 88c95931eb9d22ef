// `martlet doctor`: whether this installation would work as it is configured, looked at without
// changing anything and also beside a running server.

import Compute
package import JSON
package import Retrieval

package struct Doctor: Sendable {
  private let configuration: ServerConfiguration

  package init(_ configuration: ServerConfiguration) { self.configuration = configuration }

  /// Everything that was looked at. Reads all of the database: takes a while where it is large.
  package func findings() -> [Finding] {
    let (embedding, identity) = embeddingFinding()
    let storage = StorageCheck(dataDirectory: configuration.data, embedding: identity)
    return [processorFinding, keysFinding, chatFinding, embedding] + storage.findings()
  }

  package static func json(_ findings: [Finding]) -> JSONValue {
    [
      "healthy": .bool(!findings.contains { $0.level == .failure }),
      "findings": .array(
        findings.map {
          [
            "subject": .string($0.subject), "level": .string($0.level.rawValue),
            "message": .string($0.message),
          ]
        }),
    ]
  }

  private var processorFinding: Finding {
    let memory = Processor.availableMemoryByteCount >> 20
    let facts = """
      kernels \(Processor.isa), \(Processor.usableCoreCount) cores, \(memory) MiB of memory available
      """
    if let refused = Processor.refusedISA {
      return Finding(
        "processor", .warning,
        facts + ": MARTLET_ISA is '\(refused)', which is no instruction set of this processor")
    }
    guard Processor.isa == "portable" else { return Finding("processor", .ok, facts) }
    return Finding(
      "processor", .warning,
      facts + ": slow, because the processor has no AVX2 or MARTLET_ISA says so")
  }

  private var keysFinding: Finding {
    do throws(ConfigurationError) {
      let keys = try configuration.readAPIKeys()
      return Finding("keys", .ok, keys == nil ? "none: open to whoever can connect" : "configured")
    } catch {
      return Finding("keys", .failure, error.description)
    }
  }

  private var chatFinding: Finding {
    let loader = loader
    do throws(StartupFailure) {
      guard
        let directory = try loader.directory(
          configuration.model, fallbacks: House.defaultChatModels)
      else { return Finding("chat model", .ok, "none") }
      let report = ModelReport(path: directory, context: configuration.context)
      guard report.problems.isEmpty else {
        return Finding("chat model", .failure, report.problems.joined(separator: "; "))
      }
      return Finding("chat model", .ok, directory)
    } catch {
      return Finding("chat model", .failure, error.message)
    }
  }

  /// Loads the model: only its weights tell whether it is the one that collections were made with.
  private func embeddingFinding() -> (Finding, EmbedderIdentity?) {
    do throws(StartupFailure) {
      guard let model = try loader.embeddingModel() else {
        return (Finding("embedding model", .warning, "none: documents can't be embedded"), nil)
      }
      let identity = EmbedderBridge(embedder: model.embedder).identity
      let message = "\(model.id), \(identity.dimension) dimensions"
      return (Finding("embedding model", .ok, message), identity)
    } catch {
      return (Finding("embedding model", .failure, error.message), nil)
    }
  }

  private var loader: ModelLoader {
    ModelLoader(
      configuration: configuration, pool: ThreadPool(threads: 1),
      logger: Application.standardLogger(level: .error))
  }
}

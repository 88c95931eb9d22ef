// An adapter under the name that requests ask for it by, and loading those that the server is started
// with. Adapters of one model share its tokenizer, template and engine.

import Checkpoints
import Synchronization
import Transformer

final class LoadedAdapter: Sendable {
  let name: String
  /// Unix seconds.
  let created = Timestamp.now.unixSeconds
  let adapter: Adapter
  private let requests = Atomic<Int>(0)

  /// Each takes memory, and a series of metrics.
  static let mostAtOnce = 256

  init(name: String, adapter: Adapter) {
    self.name = name
    self.adapter = adapter
  }

  /// Generation requests so far.
  var requestCount: Int { requests.load(ordering: .relaxed) }

  func noteRequest() { requests.add(1, ordering: .relaxed) }

  func description(parent: String?) -> ModelDescription {
    ModelDescription(id: name, created: created, parent: parent)
  }
}

extension ChatModel {
  /// The model as a request sees it that names an adapter.
  func with(_ adapter: LoadedAdapter) -> ChatModel {
    var result = self
    result.id = adapter.name
    result.adapter = adapter
    result.contextLength -= min(adapter.adapter.virtualTokenCount, contextLength)
    return result
  }
}

/// `NAME=DIR`, or a directory that gives its name.
struct AdapterSpecification: Sendable {
  let name: String
  let directory: String

  init(_ text: String) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    directory = String(parts.last ?? "")
    name = parts.count == 2 ? String(parts[0]) : ModelLocator.id(of: directory)
  }

  /// What a name may be: it appears in paths, logs and metrics.
  static func isName(_ name: String) -> Bool {
    (1...128).contains(name.utf8.count) && name.first != "."
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
          UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  static let nameRule = "1 to 128 letters, digits, '-', '_' or '.', not beginning with '.'"
}

extension ModelLoader {
  /// Those that the configuration names.
  /// - Parameter embedding: whose name is taken, too
  func adapters(
    of chat: ChatModel?, besides embedding: EmbeddingModel?
  ) throws(StartupFailure) -> [LoadedAdapter] {
    var loaded: [LoadedAdapter] = []
    for text in configuration.adapters {
      let specification = AdapterSpecification(text)
      let (name, directory) = (specification.name, specification.directory)
      func refuse(_ reason: String) -> StartupFailure {
        StartupFailure(message: "--adapter \(text): \(reason)", isConfiguration: true)
      }
      guard let chat, let model = chat.model else {
        throw refuse("there is no chat model that it could belong to")
      }
      guard AdapterSpecification.isName(name) else {
        throw refuse("'\(name)' is no name; expected \(AdapterSpecification.nameRule)")
      }
      guard name != chat.id, name != embedding?.id, !loaded.contains(where: { $0.name == name })
      else {
        throw refuse("the name '\(name)' is taken; give another one as NAME=DIR")
      }
      guard loaded.count < LoadedAdapter.mostAtOnce else {
        throw refuse("more than \(LoadedAdapter.mostAtOnce) adapters")
      }
      do throws(ModelError) {
        let adapter = try model.loadAdapter(directory: directory)
        loaded.append(LoadedAdapter(name: name, adapter: adapter))
      } catch {
        throw refuse("\(error)")
      }
      noteAdapter(name: name, directory: directory, loaded[loaded.count - 1].adapter)
    }
    return loaded
  }

  private func noteAdapter(name: String, directory: String, _ adapter: Adapter) {
    logger.info(
      "adapter loaded",
      metadata: [
        "adapter": .string(name), "path": .string(directory),
        "bytes": .stringConvertible(adapter.byteCount),
        "virtual_tokens": .stringConvertible(adapter.virtualTokenCount),
      ])
  }
}

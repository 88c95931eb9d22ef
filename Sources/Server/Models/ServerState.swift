// What the server has loaded and whether it can answer: models and document store, empty while
// loading. Endpoints ask here; the composition root publishes.

import Retrieval
import Synchronization
import Transformer

package final class ServerState: Sendable {
  enum Phase: Sendable, Equatable {
    case loading
    case ready
    case draining
  }

  private struct Loaded {
    var phase = Phase.loading
    var chat: ChatModel?
    /// In the order in which they were loaded.
    var adapters: [LoadedAdapter] = []
    var embedding: EmbeddingModel?
    var rerank: RerankModel?
    var documents: DocumentStore?
    var answers = AnswerDefaults()
    /// An adapter is being read.
    var isLoadingAdapter = false

    /// All names that a request may give as its model.
    var names: [String] {
      [chat?.id].compactMap(\.self) + adapters.map(\.name)
        + [embedding?.id, rerank?.id].compactMap(\.self)
    }
  }

  private let loaded = Mutex(Loaded())

  var phase: Phase { loaded.withLock { $0.phase } }
  var chat: ChatModel? { loaded.withLock { $0.chat } }
  var embedding: EmbeddingModel? { loaded.withLock { $0.embedding } }
  var documents: DocumentStore? { loaded.withLock { $0.documents } }
  /// How answers from documents are made where a request doesn't say.
  var answerDefaults: AnswerDefaults { loaded.withLock { $0.answers } }

  func publish(
    chat: ChatModel?, adapters: [LoadedAdapter] = [], embedding: EmbeddingModel?,
    rerank: RerankModel? = nil, documents: DocumentStore,
    answers: AnswerDefaults = AnswerDefaults()
  ) {
    loaded.withLock {
      $0.chat = chat
      $0.adapters = adapters
      $0.embedding = embedding
      $0.rerank = rerank
      $0.documents = documents
      $0.answers = answers
      if $0.phase == .loading { $0.phase = .ready }
    }
  }

  var adapters: [LoadedAdapter] { loaded.withLock { $0.adapters } }

  /// Has `load` read an adapter for the chat model and publishes it; one at a time.
  func addAdapter(
    named name: String, _ load: (CausalLM) async throws -> LoadedAdapter
  ) async throws -> ModelDescription {
    _ = try ready()
    let (parent, model) = try loaded.withLock { loaded throws(APIError) in
      guard let chat = loaded.chat, let model = chat.model else { throw .noChatModel }
      guard !loaded.names.contains(name) else { throw .nameTaken(name) }
      guard !loaded.isLoadingAdapter else {
        throw .busy("An adapter is being loaded.", code: "adapter_loading", retryAfterSeconds: 1)
      }
      guard loaded.adapters.count < LoadedAdapter.mostAtOnce else { throw .tooManyAdapters }
      loaded.isLoadingAdapter = true
      return (chat.id, model)
    }
    defer { loaded.withLock { $0.isLoadingAdapter = false } }
    let adapter = try await load(model)
    loaded.withLock { $0.adapters.append(adapter) }
    return adapter.description(parent: parent)
  }

  /// Requests that run with it keep it to their end.
  func removeAdapter(named name: String) throws(APIError) {
    let loaded = try ready()
    let wasThere = self.loaded.withLock { loaded in
      let index = loaded.adapters.firstIndex { $0.name == name }
      if let index { loaded.adapters.remove(at: index) }
      return index != nil
    }
    guard wasThere else {
      throw .modelNotFound(name, known: loaded.adapters.map(\.name))
    }
  }

  func beginDraining() { loaded.withLock { $0.phase = .draining } }

  /// Hands the document store back, so that its folder is free once the caller lets go of it.
  func takeDocuments() -> DocumentStore? {
    loaded.withLock { loaded in
      defer { loaded.documents = nil }
      return loaded.documents
    }
  }

  /// What a request may call the chat model, whichever one it is.
  static let chatModelAlias = "default"

  /// The chat model a request names, by itself or with an adapter; the model by itself for a request
  /// without a name.
  func chatModel(named name: String?) throws(APIError) -> ChatModel {
    let loaded = try ready()
    if let name, name != loaded.chat?.id, [loaded.embedding?.id, loaded.rerank?.id].contains(name) {
      throw wrongKind(name, "does not chat")
    }
    guard let chat = loaded.chat else { throw .noChatModel }
    guard let name, name != chat.id else { return chat }
    if let adapter = loaded.adapters.first(where: { $0.name == name }) { return chat.with(adapter) }
    guard name == Self.chatModelAlias else { throw unknown(name, loaded) }
    return chat
  }

  func embeddingModel(named name: String?) throws(APIError) -> EmbeddingModel {
    let loaded = try ready()
    if let name, name != loaded.embedding?.id, loaded.names.contains(name) {
      throw wrongKind(name, "does not embed text")
    }
    guard let embedding = loaded.embedding else { throw .noEmbeddingModel }
    guard name == nil || name == embedding.id else { throw unknown(name ?? "", loaded) }
    return embedding
  }

  func rerankModel(named name: String?) throws(APIError) -> RerankModel {
    let loaded = try ready()
    if let name, name != loaded.rerank?.id, loaded.names.contains(name) {
      throw wrongKind(name, "does not rerank")
    }
    guard let rerank = loaded.rerank else { throw .noRerankModel }
    guard name == nil || name == rerank.id else { throw unknown(name ?? "", loaded) }
    return rerank
  }

  func documentStore() throws(APIError) -> DocumentStore {
    guard let documents = try ready().documents else {
      throw .busy("The documents are still being opened.", code: "loading", retryAfterSeconds: 2)
    }
    return documents
  }

  var descriptions: [ModelDescription] {
    let loaded = loaded.withLock { $0 }
    let chat = loaded.chat.map { ModelDescription(id: $0.id, created: $0.created) }
    let embedding = loaded.embedding.map { ModelDescription(id: $0.id, created: $0.created) }
    let rerank = loaded.rerank.map { ModelDescription(id: $0.id, created: $0.created) }
    let adapters = loaded.adapters.map { $0.description(parent: loaded.chat?.id) }
    return ([chat].compactMap(\.self) + adapters) + [embedding, rerank].compactMap(\.self)
  }

  /// The model of this name, or the chat model for its alias.
  func description(of name: String) -> ModelDescription? {
    let known = descriptions
    if let model = known.first(where: { $0.id == name }) { return model }
    guard name == Self.chatModelAlias, let chat else { return nil }
    return known.first { $0.id == chat.id }
  }

  private func ready() throws(APIError) -> Loaded {
    let loaded = loaded.withLock { $0 }
    switch loaded.phase {
    case .loading:
      throw .busy("The models are still being loaded.", code: "loading", retryAfterSeconds: 2)
    case .draining:
      throw .busy("The server is shutting down.", code: "draining", retryAfterSeconds: 5)
    case .ready:
      return loaded
    }
  }

  private func wrongKind(_ name: String, _ what: String) -> APIError {
    .invalid("The model '\(name)' \(what).", param: "model", code: "model_not_supported")
  }

  private func unknown(_ name: String, _ loaded: Loaded) -> APIError {
    .modelNotFound(name, known: loaded.names)
  }
}

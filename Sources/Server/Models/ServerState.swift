// What the server has loaded and whether it can answer: models and document store, empty while
// loading. Endpoints ask here; the composition root publishes.

import Retrieval
import Synchronization

package final class ServerState: Sendable {
  enum Phase: Sendable, Equatable {
    case loading
    case ready
    case draining
  }

  private struct Loaded {
    var phase = Phase.loading
    var chat: ChatModel?
    var embedding: EmbeddingModel?
    var rerank: RerankModel?
    var documents: DocumentStore?
    var answers = AnswerDefaults()
  }

  private let loaded = Mutex(Loaded())

  var phase: Phase { loaded.withLock { $0.phase } }
  var chat: ChatModel? { loaded.withLock { $0.chat } }
  var embedding: EmbeddingModel? { loaded.withLock { $0.embedding } }
  var documents: DocumentStore? { loaded.withLock { $0.documents } }
  /// How answers from documents are made where a request doesn't say.
  var answerDefaults: AnswerDefaults { loaded.withLock { $0.answers } }

  func publish(
    chat: ChatModel?, embedding: EmbeddingModel?, rerank: RerankModel?, documents: DocumentStore,
    answers: AnswerDefaults = AnswerDefaults()
  ) {
    loaded.withLock {
      $0.chat = chat
      $0.embedding = embedding
      $0.rerank = rerank
      $0.documents = documents
      $0.answers = answers
      if $0.phase == .loading { $0.phase = .ready }
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

  /// The chat model a request names; the only one there is for a request without a name.
  func chatModel(named name: String?) throws(APIError) -> ChatModel {
    let loaded = try ready()
    if let name, name != loaded.chat?.id, name == loaded.embedding?.id {
      throw wrongKind(name, "embeds text; it does not chat")
    }
    guard let chat = loaded.chat else { throw .noChatModel }
    guard name == nil || name == chat.id else { throw unknown(name ?? "", loaded) }
    return chat
  }

  func embeddingModel(named name: String?) throws(APIError) -> EmbeddingModel {
    let loaded = try ready()
    if let name, name != loaded.embedding?.id, name == loaded.chat?.id {
      throw wrongKind(name, "chats; it does not embed text")
    }
    guard let embedding = loaded.embedding else { throw .noEmbeddingModel }
    guard name == nil || name == embedding.id else { throw unknown(name ?? "", loaded) }
    return embedding
  }

  func rerankModel(named name: String?) throws(APIError) -> RerankModel {
    let loaded = try ready()
    if let name, name != loaded.rerank?.id, [loaded.chat?.id, loaded.embedding?.id].contains(name) {
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
    return [chat, embedding, rerank].compactMap { $0 }
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
    .modelNotFound(
      name, known: [loaded.chat?.id, loaded.embedding?.id, loaded.rerank?.id].compactMap { $0 })
  }
}

// Everything that is loaded from disk: models and documents. A server publishes it; commands
// without a server use it directly. Refuses what can't be loaded, saying which file and why.

import Compute
import Inference
import Logging
import Retrieval
import Tokenizers
import Transformer

struct House: Sendable {
  /// The first one that is there: what `make models` fetches, else what comes with the source.
  static let defaultChatModels = ["SmolLM2-135M-Instruct", "default"]
  static let defaultEmbeddingModels = ["all-MiniLM-L6-v2"]
  /// Where the model allows more, `--context` says so: KV memory grows with it.
  static let defaultContextLimit = 8192

  let chat: ChatModel?
  let adapters: [LoadedAdapter]
  let embedding: EmbeddingModel?
  let rerank: RerankModel?
  let documents: DocumentStore
  let pool: ThreadPool

  static func open(
    _ configuration: ServerConfiguration, serverURL: String?, logger: Logger,
    progress: (@Sendable (Double) -> Void)?
  ) async throws(StartupFailure) -> House {
    let pool = ThreadPool(threads: configuration.threads)
    let loader = ModelLoader(configuration: configuration, pool: pool, logger: logger)
    // Reading and quantising take seconds: off the cooperative pool.
    do {
      let thread = try ComputeThread(name: "load", niceness: 0)
      let (directory, chat, adapters, embedding, rerank) = try await thread.perform {
        // First, since whoever can't have it need not wait for the models.
        let directory = try DataDirectory(
          claiming: configuration.data, holder: serverURL ?? "martlet")
        let chat = try loader.chatModel(progress: progress)
        let embedding = try loader.embeddingModel()
        return (
          directory, chat, try loader.adapters(of: chat, besides: embedding), embedding,
          try loader.rerankModel()
        )
      }
      let documents = try await DocumentStore.open(
        DocumentStoreConfiguration(
          dataDirectory: configuration.data, keepsVectorsOnDisk: configuration.vectorsOnDisk),
        in: directory, embedder: embedding.map { EmbedderBridge(embedder: $0.embedder) },
        reranker: rerank.map { RerankerBridge(reranker: $0.reranker) }, pool: pool
      ) { logger.warning("\($0)") }
      return House(
        chat: chat, adapters: adapters, embedding: embedding, rerank: rerank,
        documents: documents, pool: pool)
    } catch let failure as StartupFailure {
      throw failure
    } catch {
      throw StartupFailure(message: "\(error)", isConfiguration: false)
    }
  }

  /// `chat default (int4, context 1024), embeddings all-MiniLM-L6-v2, 12 documents`
  var summary: String {
    [
      chat.map { "chat \($0.id) (context \($0.contextLength))" } ?? "no chat model",
      adapters.isEmpty ? nil : "adapters " + adapters.map(\.name).joined(separator: ", "),
      embedding.map { "embeddings \($0.id)" } ?? "no embedding model",
      rerank.map { "reranking \($0.id)" },
    ].compactMap(\.self).joined(separator: ", ")
  }
}

/// Finds and loads the configured models.
struct ModelLoader: Sendable {
  let configuration: ServerConfiguration
  let pool: ThreadPool
  let logger: Logger

  func chatModel(
    progress: (@Sendable (Double) -> Void)?
  ) throws(StartupFailure) -> ChatModel? {
    guard let directory = try directory(configuration.model, fallbacks: House.defaultChatModels)
    else { return nil }
    do {
      let watch = Stopwatch()
      let limit = configuration.context ?? House.defaultContextLimit
      let cache =
        configuration.weightCache
        ? PackedWeightCache(directory: configuration.data + "/cache") : nil
      let model = try CausalLM.load(
        directory: directory, requested: configuration.quantize, contextLimit: limit, cache: cache,
        pool: pool,
        progress: progress ?? LoadLog(model: directory, logger: logger).note)
      let unsavedWeights = noteOrigin(of: model)
      let text = try ModelText(path: directory, chatTemplate: configuration.chatTemplate)
      let draftModel = try draftModel(
        tokenizer: text.tokenizer, scheme: model.scheme, contextLimit: limit)
      let engine = try InferenceEngine(
        model: model, draftModel: draftModel,
        configuration: EngineConfiguration(
          maximumSequences: configuration.maxSequences, contextLength: limit,
          kvMemoryByteCount: configuration.kvMemory.map { $0 << 20 }
            ?? Processor.availableMemoryByteCount / 4,
          maximumQueued: configuration.maxQueue,
          speculation: configuration.effectiveSpeculation))
      logger.info(
        "chat model loaded",
        metadata: [
          "model": .string(directory), "scheme": .string(model.scheme.rawValue),
          "parameters": .stringConvertible(model.parameterCount),
          "weight_bytes": .stringConvertible(model.weightByteCount),
          "weights": .string(model.origin.name),
          "huge_page_bytes": .stringConvertible(ProcessMemory.hugePageByteCount ?? 0),
          "isa": .string(Processor.isa),
          "threads": .stringConvertible(pool.threadCount),
          "seconds": .stringConvertible(watch.seconds),
        ])
      return ChatModel(
        id: ModelLocator.id(of: directory), created: Timestamp.now.unixSeconds,
        tokenizer: text.tokenizer, template: text.template,
        engine: engine, defaults: model.configuration.generationDefaults,
        contextLength: engine.contextLength,
        vocabularySize: engine.vocabularySize, unsavedWeights: unsavedWeights, model: model)
    } catch {
      throw StartupFailure(
        message: "The chat model in \(directory) can't be loaded: \(error)", isConfiguration: true)
    }
  }

  /// Weights that the cache does not hold yet. A file that was refused is reported.
  private func noteOrigin(of model: CausalLM) -> UnsavedWeights? {
    guard case .quantized(let quantized) = model.origin else { return nil }
    if let refusedFile = quantized.refusedFile {
      logger.warning(
        "packed weights refused, quantising again", metadata: ["reason": .string(refusedFile)])
    }
    return quantized.unsaved
  }

  func embeddingModel() throws(StartupFailure) -> EmbeddingModel? {
    guard
      let directory = try directory(
        configuration.embeddingModel, fallbacks: House.defaultEmbeddingModels)
    else { return nil }
    do {
      return EmbeddingModel(
        id: ModelLocator.id(of: directory), created: Timestamp.now.unixSeconds,
        embedder: try TextEmbedder(
          directory: directory, precision: configuration.embeddingPrecision,
          pool: pool))
    } catch {
      throw StartupFailure(
        message: "The embedding model in \(directory) can't be loaded: \(error)",
        isConfiguration: true)
    }
  }

  func rerankModel() throws(StartupFailure) -> RerankModel? {
    guard let directory = try directory(configuration.rerankModel) else { return nil }
    do {
      return RerankModel(
        id: ModelLocator.id(of: directory), created: Timestamp.now.unixSeconds,
        reranker: try TextReranker(
          directory: directory, precision: configuration.embeddingPrecision,
          pool: pool))
    } catch {
      throw StartupFailure(
        message: "The reranking model in \(directory) can't be loaded: \(error)",
        isConfiguration: true)
    }
  }

  /// The directory of the model that was asked for, or of the first default that is there.
  func directory(
    _ name: String?, fallbacks: [String] = []
  ) throws(StartupFailure) -> String? {
    let locator = ModelLocator(folder: configuration.models)
    guard let name else { return fallbacks.lazy.compactMap(locator.defaultDirectory).first }
    guard name != "none" else { return nil }
    do throws(ModelLocator.NotFound) {
      return try locator.directory(of: name)
    } catch {
      throw StartupFailure(message: error.description, isConfiguration: true)
    }
  }
}

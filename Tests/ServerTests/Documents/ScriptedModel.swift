// A language model that says what a test wants it to: of each prompt, the first rule whose key is in
// its text gives the answer. Reads the prompt back from its paged cache, as a model does, so that the
// engine, prefix cache included, works as ever.

import Checkpoints
import Inference
import JSON
import Synchronization
import Tokenizers
import Transformer

@testable import Server

final class ScriptedModel: LanguageModel {
  struct Rule: Sendable {
    let key: String
    let answer: String
  }

  let vocabularySize: Int
  let contextLength: Int
  let blockSize = 32
  let kvBytesPerBlock = 1_024
  let endOfSequenceTokens: Set<Int32>
  private let tokenizer: Tokenizer
  private let rules: [Rule]
  private let end: Int32
  /// Called once per prompt, on the engine's thread, before it is answered.
  private let before: @Sendable (String) throws -> Void
  /// Each prompt once, as text, in the order in which they were first computed to their end.
  private let seen = Mutex<[String]>([])

  init(
    tokenizer: Tokenizer, contextLength: Int, rules: [Rule],
    before: @escaping @Sendable (String) throws -> Void = { _ in }
  ) throws {
    self.before = before
    self.tokenizer = tokenizer
    self.contextLength = contextLength
    self.rules = rules
    vocabularySize = tokenizer.count
    end = tokenizer.endOfSequence ?? 0
    endOfSequenceTokens = [end]
  }

  var prompts: [String] { seen.withLock { $0 } }

  final class Cache: Sendable {
    let slots: Mutex<[Int32]>
    init(count: Int) { slots = Mutex(Array(repeating: -1, count: count)) }
  }

  func makeKVCache(blockCount: Int) -> Cache { Cache(count: blockCount * blockSize) }

  func copyBlock(from source: Int32, to target: Int32, in cache: Cache) {
    cache.slots.withLock { slots in
      for slot in 0..<blockSize {
        slots[Int(target) * blockSize + slot] = slots[Int(source) * blockSize + slot]
      }
    }
  }

  func forward(
    _ batch: Batch, cache: Cache, logits: UnsafeMutableBufferPointer<Float>
  ) throws {
    var row = 0
    for span in batch.spans {
      let tokens = cache.slots.withLock { slots in
        func slot(_ position: Int) -> Int {
          Int(span.blocks[position / blockSize]) * blockSize + position % blockSize
        }
        for (offset, token) in span.tokens.enumerated() {
          slots[slot(span.start + offset)] = token
        }
        return (0..<span.start + span.tokens.count).map { slots[slot($0)] }
      }
      for position in tokens.count - span.logitCount..<tokens.count {
        let next = try next(after: Array(tokens[...position]))
        for token in 0..<vocabularySize {
          logits[row * vocabularySize + token] = token == Int(next) ? 20 : 0
        }
        row += 1
      }
    }
  }

  /// The token of the scripted answer that comes next: what follows the last generation prompt is
  /// what has been said.
  private func next(after tokens: [Int32]) throws -> Int32 {
    let opening = tokenizer.encode("<|im_start|>assistant\n", addSpecialTokens: false)
    guard let mark = tokens.lastIndex(where: { $0 == opening[0] }),
      mark + opening.count <= tokens.count
    else { return end }
    let prompt = tokenizer.decode(
      Array(tokens[..<(mark + opening.count)]), skipSpecialTokens: false)
    let isNew = seen.withLock { seen in
      guard !seen.contains(prompt) else { return false }
      seen.append(prompt)
      return true
    }
    if isNew {
      do { try before(prompt) } catch {
        // The engine tries again what failed beside others, and is to fail again.
        seen.withLock { $0.removeAll { $0 == prompt } }
        throw error
      }
    }
    let answer = rules.first { prompt.contains($0.key) }?.answer ?? ""
    let script = tokenizer.encode(answer, addSpecialTokens: false)
    let said = tokens.count - mark - opening.count
    return said < script.count ? script[said] : end
  }
}

/// A server with documents in a collection and a scripted model in the place of the chat model.
struct ScriptedServer {
  let server: TestServer
  let model: ScriptedModel

  static let documents: [(id: String, text: String)] = [
    ("llama", "Llama 2 was announced on 18 July 2023 by Meta with Microsoft."),
    (
      "sizes",
      "Llama 2 comes with 7, 13 and 70 billion parameters. The tuned models are for dialogue."
    ),
    ("river", "The Danube flows through ten countries to the Black Sea."),
    ("zh", "向量检索按意思查找段落。大语言模型可以回答问题。"),
  ]

  /// - Parameter rules: key in the prompt → answer, the first that matches.
  static func start(
    contextLength: Int = 1024, maximumSequences: Int = 8,
    _ rules: [(String, String)], change: (inout ServerConfiguration) -> Void = { _ in },
    before: @escaping @Sendable (String) throws -> Void = { _ in }
  ) async throws -> ScriptedServer {
    let server = try await TestServer.start {
      $0.model = "none"
      change(&$0)
    }
    let text = try ModelText(path: TestServer.modelsFolder + "/default")
    let model = try ScriptedModel(
      tokenizer: text.tokenizer, contextLength: contextLength,
      rules: rules.map { ScriptedModel.Rule(key: $0.0, answer: $0.1) }, before: before)
    let engine = try InferenceEngine(
      model: model, configuration: EngineConfiguration(maximumSequences: maximumSequences))
    let state = server.server.application.state
    state.publish(
      chat: ChatModel(
        id: "scripted", created: 0, tokenizer: text.tokenizer, template: text.template,
        engine: engine, defaults: GenerationDefaults(), contextLength: engine.contextLength,
        vocabularySize: engine.vocabularySize, unsavedWeights: nil),
      embedding: state.embedding, documents: try state.documentStore(),
      answers: state.answerDefaults)
    let stored = try await server.post(
      "/collections/default/documents",
      .array(documents.map { ["id": .string($0.id), "text": .string($0.text)] }))
    guard stored.status == 200 else {
      throw StartupFailure(message: stored.text, isConfiguration: false)
    }
    return ScriptedServer(server: server, model: model)
  }

  func ask(
    _ messages: [JSONValue], _ retrieval: JSONObject, _ more: JSONObject = [:]
  ) async throws -> Answer {
    var request: JSONObject = [
      "messages": .array(messages), "retrieval": .object(retrieval), "temperature": 0,
    ]
    request.merge(more) { $1 }
    return try await server.post("/chat", .object(request))
  }

  func stop() async { await server.server.stop() }
}

extension Answer {
  var content: String? { json["choices"]?[0]?["message"]?["content"]?.string }
}

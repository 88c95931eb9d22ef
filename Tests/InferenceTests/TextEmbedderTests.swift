// The embedder: truncation and counts as in sentence-transformers, bounded jobs, turns and
// cancellation; and the real model's vectors where it has been fetched.

import Compute
import FoundationEssentials
import JSON
import Synchronization
import Testing
import Tokenizers

@testable import Inference

/// "Embeds" a sequence as its first, last and total ids and its length.
final class FakeEncoder: SequenceEncoder {
  let name = "fake"
  let dimension = 4
  let maximumTokens: Int
  let vocabularySize = 1_100
  let weightHash = "none"
  private let onBatch: @Sendable ([[Int32]]) throws -> Void

  init(
    maximumTokens: Int = 16, onBatch: @escaping @Sendable ([[Int32]]) throws -> Void = { _ in }
  ) {
    self.maximumTokens = maximumTokens
    self.onBatch = onBatch
  }

  func vectors(for batch: [[Int32]], promptTokenCount: Int) throws -> [[Float]] {
    try onBatch(batch)
    return batch.map(vector)
  }

  func vector(_ ids: [Int32]) -> [Float] {
    [ids.first ?? -1, ids.last ?? -1, ids.reduce(0, +), Int32(ids.count)].map { Float($0) }
  }
}

@Suite(.timeLimit(.minutes(2))) struct TextEmbedderTests {
  private static let (cls, sep): (Int32, Int32) = (2, 3)

  private func embedder(_ encoder: FakeEncoder) throws -> TextEmbedder {
    try TextEmbedder(
      tokenizer: Tokenizer(directory: Fixtures.directory("tokenizers/bert-uncased")),
      encoder: encoder)
  }

  @Test func textsAreFramedCountedAndCut() async throws {
    let encoder = FakeEncoder(maximumTokens: 16)
    let embedder = try embedder(encoder)
    let texts = ["a b c", "", String(repeating: "a ", count: 100), "a b c"]
    let batch = try await embedder.embed(texts)
    let ids = texts.map { text in
      [Self.cls] + embedder.tokenizer.encode(text, addSpecialTokens: false).prefix(14) + [Self.sep]
    }
    #expect(batch.vectors == ids.map(encoder.vector))
    #expect(batch.tokenCounts == [5, 2, 16, 5])
    #expect(batch.truncated == [false, false, true, false])
    #expect(embedder.tokenCount(texts[2]) == 102)
    #expect(embedder.tokenCount("") == 2)
  }

  @Test func tokenInputsEqualTheirTexts() async throws {
    let embedder = try embedder(FakeEncoder())
    let text = "a b c d"
    let bare = embedder.tokenizer.encode(text, addSpecialTokens: false)
    let full = embedder.tokenizer.encode(text, addSpecialTokens: true)
    let expected = try await embedder.embed([text, text])
    #expect(try await embedder.embed(tokens: [bare, full]) == expected)
  }

  @Test(arguments: [-1, 1_100, Int32.max]) func tokensOutOfRangeAreRefused(
    _ token: Int32
  ) async throws {
    let embedder = try embedder(FakeEncoder())
    await #expect(
      throws: InferenceError.tokenOutOfRange(token: token, index: 1, vocabularySize: 1_100)
    ) { try await embedder.embed(tokens: [[5], [5, token]]) }
  }

  @Test func jobsAreBoundedAndResultsInOrder() async throws {
    let sizes = Mutex<[Int]>([])
    let encoder = FakeEncoder(maximumTokens: 300) { batch in
      sizes.withLock { $0.append(batch.reduce(0) { $0 + $1.count }) }
    }
    let embedder = try embedder(encoder)
    var source = RandomSource(seed: 4)
    let tokens = (0..<200).map { _ in
      (0..<Int.random(in: 0...290, using: &source)).map { Int32($0 % 1_000 + 10) }
    }
    let batch = try await embedder.embed(tokens: tokens)
    #expect(batch.vectors == tokens.map { encoder.vector([Self.cls] + $0 + [Self.sep]) })
    #expect(sizes.withLock { $0.allSatisfy { $0 <= 1_536 } })
    #expect(sizes.withLock { $0.count } > 15)
  }

  @Test func aSmallRequestGetsItsTurnWithinALargeOne() async throws {
    let gate = Gate()
    let hasStarted = Mutex(false)
    let log = Mutex<[Int32]>([])
    let encoder = FakeEncoder(maximumTokens: 1_000) { batch in
      log.withLock { $0.append(batch[0][1]) }
      gate.wait()
    }
    let embedder = try embedder(encoder)
    // A thousand jobs: with turns, the small request comes soon; without, it would come last.
    let large = [[Int32]](repeating: [Int32](repeating: 10, count: 900), count: 1_000)
    async let first = embedder.embed(tokens: large)
    try await gate.waitForArrival()
    let second = Task {
      hasStarted.withLock { $0 = true }
      return try await embedder.embed(tokens: [[20]])
    }
    try await eventually { hasStarted.withLock { $0 } }
    gate.open()
    #expect(try await second.value.vectors.count == 1)
    #expect(try await first.vectors.count == 1_000)
    let order = log.withLock { $0 }
    #expect(order.count == 1_001)
    #expect(try #require(order.firstIndex(of: 20)) < 1_000)
  }

  @Test func cancellationStopsBetweenJobs() async throws {
    let gate = Gate()
    let jobs = Mutex(0)
    let encoder = FakeEncoder(maximumTokens: 1_000) { _ in
      jobs.withLock { $0 += 1 }
      gate.wait()
    }
    let embedder = try embedder(encoder)
    let task = Task {
      try await embedder.embed(
        tokens: [[Int32]](repeating: [Int32](repeating: 10, count: 900), count: 6))
    }
    try await gate.waitForArrival()
    task.cancel()
    gate.open()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(jobs.withLock { $0 } == 1)
  }

  @Test func aFailingEncoderIsAnError() async throws {
    let embedder = try embedder(FakeEncoder { _ in throw ForwardFailure() })
    await #expect(throws: InferenceError.modelFailed("ForwardFailure()")) {
      try await embedder.embed(["a"])
    }
  }
}

@Suite(.enabled(if: Fixtures.miniLM != nil, "all-MiniLM-L6-v2 has not been fetched: make models"))
struct MiniLMEmbedderTests {
  @Test func textsGiveTheVectorsOfSentenceTransformers() async throws {
    let embedder = try TextEmbedder(
      directory: try #require(Fixtures.miniLM), pool: Fixtures.pool)
    #expect(embedder.dimension == 384 && embedder.maximumTokens == 256)
    let records = try #require(try Fixtures.json("minilm/golden.json").array)
    let texts = records.map { $0["text"]?.string ?? "" }
    let batch = try await embedder.embed(texts)
    #expect(records.count == 30)
    for (index, record) in records.enumerated() {
      let golden = try #require(record["embedding"]).doubles
      let vector = batch.vectors[index].map(Double.init)
      let lengths = [golden, vector].map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
      let product = zip(golden, vector).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(product / (lengths[0] * lengths[1]) >= 0.9999, "\(texts[index])")
      #expect(batch.tokenCounts[index] == record["ids"]?.integers.count)
      #expect(batch.truncated[index] == (embedder.tokenCount(texts[index]) > 256))
    }
    #expect(batch.truncated.contains(true) && batch.truncated.contains(false))
  }
}

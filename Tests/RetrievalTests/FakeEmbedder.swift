// An embedder without a model: a text's vector is the normalised sum of its words' vectors, which
// are random but always the same. Texts that share words are similar.

import Fuzzing
import Retrieval
import SearchIndex
import Synchronization

final class FakeEmbedder: Embedder {
  let identity: EmbedderIdentity
  let prompts: EmbeddingPrompts
  let metric: Metric?
  /// Texts embedded so far.
  private let embeddedTexts = Mutex<[String]>([])
  /// What to answer instead, for models that misbehave.
  let answer: (@Sendable ([EmbeddedText]) -> [EmbeddedText])?

  init(
    name: String = "fake", dimension: Int = 128, maximumTokens: Int = 64,
    weightHash: String = "0123456789abcdef", prompts: EmbeddingPrompts = EmbeddingPrompts(),
    metric: Metric? = nil,
    answer: (@Sendable ([EmbeddedText]) -> [EmbeddedText])? = nil
  ) {
    identity = EmbedderIdentity(
      name: name, dimension: dimension, maximumTokens: maximumTokens, weightHash: weightHash)
    self.prompts = prompts
    self.metric = metric
    self.answer = answer
  }

  var texts: [String] { embeddedTexts.withLock { $0 } }

  func embed(_ texts: [String], prompt: String) async throws -> [EmbeddedText] {
    let texts = texts.map { prompt + $0 }
    embeddedTexts.withLock { $0 += texts }
    let honest = texts.map { text in
      let count = tokenCount(text)
      return EmbeddedText(
        vector: vector(text), tokenCount: min(count, identity.maximumTokens),
        truncated: count > identity.maximumTokens)
    }
    return answer?(honest) ?? honest
  }

  func tokenCount(_ text: String) -> Int { Self.words(text).count + 2 }

  func vector(_ text: String) -> [Float] {
    var sum = [Float](repeating: 0, count: identity.dimension)
    for word in Self.words(text).prefix(identity.maximumTokens - 2) {
      var random = SeededRandom(seed: Self.hash(word))
      for index in sum.indices { sum[index] += Float(random.unit()) - 0.5 }
    }
    let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
    return length > 0 ? sum.map { $0 / length } : sum
  }

  /// Words in lower case; each character beyond Latin scripts is one.
  static func words(_ text: String) -> [String] {
    text.lowercased().split { !$0.isLetter && !$0.isNumber }.flatMap { word in
      word.unicodeScalars.allSatisfy { $0.value < 0x2000 }
        ? [String(word)] : word.map { String($0) }
    }
  }

  private static func hash(_ word: String) -> UInt64 {
    word.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}

// An embedder without a model: a text's vector is the normalised sum of its words' vectors, which
// are random but always the same. Texts that share words are similar.

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

/// SplitMix64.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// 0..<1.
  mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }
}

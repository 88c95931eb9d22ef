// Logits and greedy continuations of the fixture checkpoints against transformers' float32, and the
// invariances that make batching safe: chunks, companions and block tables change no bit.

import Compute
import Quantization
import Testing

@testable import Transformer

@Suite struct DecoderGoldenTests {
  @Test(arguments: Fixtures.decoders)
  func logitsMatchTransformers(name: String) throws {
    let golden = try Golden(name)
    let model = try Fixtures.load(name)
    let logits = try model.logits(of: golden.tokens)
    #expect(logits.count == golden.logits.count)
    let error = greatestDifference(logits, golden.logits)
    print("\(name): largest logit error \(error)")
    #expect(error <= 1e-3)
  }

  @Test(arguments: Fixtures.decoders)
  func greedyContinuationMatches(name: String) throws {
    let golden = try Golden(name)
    let model = try Fixtures.load(name)
    let continuation = try model.greedy(golden.tokens, count: golden.continuation.count)
    #expect(continuation == golden.continuation)
  }

  @Test(arguments: Fixtures.llamas, QuantizationScheme.allCases)
  func chunksChangeNoBit(name: String, scheme: QuantizationScheme) throws {
    let golden = try Golden(name)
    let model = try Fixtures.load(name, scheme)
    let whole = try model.logits(of: golden.tokens)
    for chunk in [1, 7, 33] {
      let logits = try model.logits(of: golden.tokens, chunk: chunk)
      #expect(identical(logits, whole), "chunks of \(chunk)")
    }
  }

  @Test(arguments: Fixtures.otherFamilies)
  func chunksChangeNoBitInAnyFamily(name: String) throws {
    let golden = try Golden(name)
    for scheme in [QuantizationScheme.none, .int4] {
      let model = try Fixtures.load(name, scheme)
      let whole = try model.logits(of: golden.tokens)
      for chunk in [1, 33] {
        let logits = try model.logits(of: golden.tokens, chunk: chunk)
        #expect(identical(logits, whole), "chunks of \(chunk)")
      }
    }
  }

  @Test(
    arguments: Fixtures.llamas + ["mistral", "gemma3", "qwen2-moe", "llama-rope-dynamic"],
    QuantizationScheme.allCases)
  func companionsAndScatteredBlocksChangeNoBit(name: String, scheme: QuantizationScheme) throws {
    let golden = try Golden(name)
    let model = try Fixtures.load(name, scheme)
    let first = Array(golden.tokens.prefix(77))
    let second = Array(golden.tokens.suffix(40))
    let third = Array(golden.tokens.suffix(5))
    let alone = try [first, second, third].map { try model.logits(of: $0) }

    let cache = try model.makeKVCache(blockCount: 12)
    let tables: [[Int32]] = [[9, 2, 11], [0, 7], [4]]
    // The first sequence is half computed when the others join, and ends on a single token.
    _ = try model.run(
      [.init(tokens: Array(first[..<45]), start: 0, blocks: tables[0], logitCount: 0)],
      cache: cache)
    let joined = try model.run(
      [
        .init(tokens: third, start: 0, blocks: tables[2], logitCount: 5),
        .init(tokens: Array(first[45..<76]), start: 45, blocks: tables[0], logitCount: 31),
        .init(tokens: Array(second[..<39]), start: 0, blocks: tables[1], logitCount: 1),
      ], cache: cache)
    let last = try model.run(
      [
        .init(tokens: [first[76]], start: 76, blocks: tables[0]),
        .init(tokens: [second[39]], start: 39, blocks: tables[1]),
      ], cache: cache)

    let v = model.configuration.vocabularySize
    #expect(identical(Array(joined[..<(5 * v)]), alone[2]))
    #expect(identical(Array(joined[(5 * v)..<(36 * v)]), Array(alone[0][(45 * v)..<(76 * v)])))
    #expect(identical(Array(joined[(36 * v)...]), Array(alone[1][(38 * v)..<(39 * v)])))
    #expect(identical(Array(last[..<v]), Array(alone[0][(76 * v)...])))
    #expect(identical(Array(last[v...]), Array(alone[1][(39 * v)...])))
  }

  @Test func threadsChangeNoBit() throws {
    let golden = try Golden("llama-gqa-tied-sharded")
    let directory = Fixtures.model("llama-gqa-tied-sharded")
    for scheme in QuantizationScheme.allCases {
      let results = try [1, 2, 3].map { threads in
        try CausalLM.load(directory: directory, scheme: scheme, pool: ThreadPool(threads: threads))
          .logits(of: golden.tokens)
      }
      #expect(identical(results[0], results[1]) && identical(results[0], results[2]))
    }
  }

  @Test func copiedBlocksContinueASequence() throws {
    let golden = try Golden("llama-mha-untied")
    let model = try Fixtures.load("llama-mha-untied")
    let whole = try model.logits(of: golden.tokens)
    let cache = try model.makeKVCache(blockCount: 8)
    let head = Array(golden.tokens[..<64])
    let tail = Array(golden.tokens[64...])
    _ = try model.run(
      [.init(tokens: head, start: 0, blocks: [0, 1], logitCount: 0)], cache: cache)
    cache.copyBlock(from: 0, to: 5)
    cache.copyBlock(from: 1, to: 3)
    let copied = try model.run(
      [.init(tokens: tail, start: 64, blocks: [5, 3, 6, 7, 2], logitCount: 1)], cache: cache)
    #expect(identical(copied, Array(whole.suffix(model.configuration.vocabularySize))))
  }

  @Test func anIdBeyondTheVocabularyDoesNoHarm() throws {
    let model = try Fixtures.load("llama-mha-untied")
    let logits = try model.logits(of: [1, 256, -1, .max, 2])
    #expect(logits.allSatisfy { $0.isFinite })
  }

  @Test func anEmptyBatchIsNothingToDo() throws {
    let model = try Fixtures.load("llama-mha-untied")
    let cache = try model.makeKVCache(blockCount: 1)
    #expect(try model.run([], cache: cache).isEmpty)
  }
}

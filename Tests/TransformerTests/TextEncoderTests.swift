// Embeddings of the fixture encoders against sentence-transformers, in each of its layouts, and of
// the real all-MiniLM-L6-v2 where it has been fetched.

import Foundation
import JSON
import Testing

@testable import Transformer

@Suite struct TextEncoderTests {
  private func floats(_ value: JSONValue?) throws -> [Float] {
    try #require(value?.array).map { Float(try #require($0.double)) }
  }

  @Test(arguments: ["bert-mean", "bert-cls", "bert-max"])
  func embeddingsMatchSentenceTransformers(name: String) throws {
    let golden = try Fixtures.json("models/\(name)/golden.json")
    let encoder = try TextEncoder.load(directory: Fixtures.model(name), pool: Fixtures.pool)
    #expect(encoder.maximumTokens == 48)
    #expect(encoder.dimension == 64)
    #expect(encoder.name == name)
    let sequences = try #require(golden["sequences"]?.array).map { try Golden.integers($0) }
    let expected = try #require(golden["embeddings"]?.array).map { try floats($0) }
    // Only sequences within max_seq_length are not cut.
    let whole = sequences.indices.filter { sequences[$0].count <= 48 }
    #expect(whole.count >= 6)
    let vectors = try encoder.embed(whole.map { sequences[$0] })
    let error = greatestDifference(vectors.joined(), whole.flatMap { expected[$0] })
    print("\(name): largest embedding error \(error)")
    #expect(error <= 1e-5)
    let alone = try whole.map { try encoder.embed([sequences[$0]])[0] }
    #expect(zip(alone, vectors).allSatisfy { identical($0, $1) })
  }

  @Test func aDirectoryWithoutModulesIsPooledByTheMean() throws {
    let directory = try ModelDirectory(copyOf: "bert-mean")
    try directory.remove("modules.json")
    try directory.remove("sentence_bert_config.json")
    let golden = try Fixtures.json("models/bert-mean/golden.json")
    let encoder = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    #expect(encoder.maximumTokens == 64)
    let sequences = try #require(golden["sequences"]?.array).map { try Golden.integers($0) }
    let expected = try #require(golden["plain"]?.array).flatMap { try floats($0) }
    let vectors = try encoder.embed(sequences)
    #expect(greatestDifference(vectors.joined(), expected) <= 1e-5)
  }

  @Test func theTokenizersLimitCountsWhereNoOtherFileHasOne() throws {
    let directory = try ModelDirectory(copyOf: "bert-mean")
    try directory.remove("sentence_bert_config.json")
    try directory.write("tokenizer_config.json", #"{"model_max_length": 40}"#)
    let limited = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    #expect(limited.maximumTokens == 40)
    try directory.write("tokenizer_config.json", #"{"model_max_length": 1e30}"#)
    let unlimited = try TextEncoder.load(directory: directory.path, pool: Fixtures.pool)
    #expect(unlimited.maximumTokens == 64)
  }

  @Test func longTextsAreCutAndEmptyOnesAreZero() throws {
    let encoder = try TextEncoder.load(
      directory: Fixtures.model("bert-mean"), pool: Fixtures.pool)
    let long = (0..<500).map { Int32($0 % 256) }
    let vectors = try encoder.embed([long, [], Array(long.prefix(48)), []])
    #expect(identical(vectors[0], vectors[2]))
    #expect(vectors[1] == [Float](repeating: 0, count: 64) && vectors[3] == vectors[1])
    #expect(try encoder.embed([]).isEmpty)
    let strange = try encoder.embed([[7, 300, -5]])[0]
    #expect(strange.allSatisfy { $0.isFinite })
  }

  @Test func passesOfManyTextsGiveTheVectorsOfOne() throws {
    let encoder = try TextEncoder.load(
      directory: Fixtures.model("bert-cls"), pool: Fixtures.pool)
    var random = SplitMix(state: 5)
    let texts = (0..<200).map { _ in
      (0..<Int.random(in: 0...48, using: &random)).map { _ in
        Int32.random(in: 0..<256, using: &random)
      }
    }
    let together = try encoder.embed(texts)
    #expect(together.count == texts.count)
    for index in stride(from: 0, to: texts.count, by: 17) {
      let alone = try encoder.embed([texts[index]])[0]
      #expect(identical(together[index], alone))
    }
  }

  @Test func theHashIsThatOfTheFile() throws {
    let encoder = try TextEncoder.load(
      directory: Fixtures.model("bert-mean"), pool: Fixtures.pool)
    let golden = try Fixtures.json("models/bert-mean/golden.json")
    #expect(encoder.weightHash == golden["sha256"]?.string)
  }
}

/// Where the real model is: in the repository's Models folder or where the environment says.
private let miniLM: String? = {
  let path =
    ProcessInfo.processInfo.environment["MARTLET_MINILM"]
    ?? Fixtures.root.appending(path: "../../Models/all-MiniLM-L6-v2").standardized.path
  return FileManager.default.fileExists(atPath: path + "/model.safetensors") ? path : nil
}()

@Suite(.enabled(if: miniLM != nil, "all-MiniLM-L6-v2 has not been fetched: make models"))
struct MiniLMTests {
  @Test(arguments: EncoderPrecision.allCases)
  func embeddingsMatchSentenceTransformers(precision: EncoderPrecision) throws {
    let encoder = try TextEncoder.load(
      directory: try #require(miniLM), precision: precision, pool: Fixtures.pool)
    #expect(encoder.maximumTokens == 256)
    #expect(encoder.dimension == 384)
    let records = try #require(try Fixtures.json("minilm/golden.json").array)
    #expect(records.count >= 30)
    let ids = try records.map { try Golden.integers($0["ids"]) }
    let vectors = try encoder.embed(ids)
    var lowest = 1.0
    for (record, vector) in zip(records, vectors) {
      let golden = try #require(record["embedding"]?.array).map { try #require($0.double) }
      let product = zip(golden, vector).reduce(0) { $0 + $1.0 * Double($1.1) }
      let lengths = [golden, vector.map(Double.init)].map { v in
        v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      }
      let cosine = product / (lengths[0] * lengths[1])
      lowest = min(lowest, cosine)
      #expect(cosine >= 0.9999, "\(record["text"]?.string ?? "")")
      #expect(abs(lengths[1] - 1) < 1e-5)
    }
    print("all-MiniLM-L6-v2, \(precision): lowest cosine to sentence-transformers \(lowest)")
  }
}

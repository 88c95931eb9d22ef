// What `martlet inspect` says: the bundled model would load, a model without a tokenizer would not,
// text encoders are told as what they are, and a GGUF file is found by its path or its directory.

import Foundation
import Hub
import JSON
import Testing

@testable import Server

@Suite struct ModelReportTests {
  private static let gguf = Repository.file("Tests/Fixtures/checkpoints/gguf/llama.gguf")

  @Test func theBundledModelLoads() throws {
    let path = Repository.file("Models/default").path
    let report = ModelReport(path: path, context: nil)
    #expect(report.problems.isEmpty)
    let json = report.json
    #expect(json["loads"] == true && json["architecture"] == "LlamaForCausalLM")
    let schemes = try #require(json["schemes"]?.array)
    #expect(schemes.map { $0["scheme"]?.string } == ["none", "int8", "int4", "nf4"])
    let weights = schemes.compactMap { $0["weight_bytes"]?.int }
    #expect(weights.count == 4 && weights[0] > weights[1] && weights[1] > weights[2])
    #expect(json["default"]?["weight_bytes"] == schemes[2]["weight_bytes"])
    #expect(report.text.contains("loads         yes"))
  }

  @Test func contextsAreCounted() throws {
    let path = Self.gguf.path
    let bytes = try [0, 1000].map { context in
      try #require(
        ModelReport(path: path, context: context).json["default"]?["total_bytes"]?.int)
    }
    // Two layers of keys and values of one head of 32 in float16.
    #expect(bytes[1] - bytes[0] == 1000 * 2 * 2 * 32 * 2)
  }

  @Test func problemsAreTold() {
    let nowhere = ModelReport(path: "/nonexistent", context: nil)
    #expect(nowhere.json["loads"] == false && nowhere.text.contains("/nonexistent: no such"))
    let fixture = Repository.file("Tests/Fixtures/models/llama-bias")
    let report = ModelReport(path: fixture.path, context: nil)
    #expect(report.problems.count == 1 && report.problems[0].contains("tokenizer.json"))
    #expect(report.json["parameters"]?.int != nil)
  }

  @Test(arguments: ["sentence-modules", "encoder-modernbert", "encoder-roberta"])
  func encodersAreTold(name: String) throws {
    let path = Repository.file("Tests/Fixtures/models/\(name)").path
    let report = try #require(EncoderReport(path: path))
    let json = report.json
    #expect(json["parameters"]?.int ?? 0 > 1000 && json["architecture"]?.string != nil)
    let weights = try #require(json["precisions"]?.array).compactMap { $0["weight_bytes"]?.int }
    #expect(weights.count == 2 && weights[0] > weights[1])
    // As a chat model it is refused with what it is.
    let chat = ModelReport(path: path, context: nil)
    #expect(chat.problems.first?.contains("is a text encoder") == true)
  }

  @Test func whatItIsUsedForIsTold() throws {
    let sentences = Repository.file("Tests/Fixtures/models/sentence-modules").path
    let report = try #require(EncoderReport(path: sentences))
    #expect(report.problems.isEmpty && report.json["use"] == "embedding")
    #expect(report.json["dimension"]?.int != nil && report.text.contains("loads         yes"))
    let copy = FileManager.default.temporaryDirectory.appending(path: "encoder-\(UUID())")
    defer { try? FileManager.default.removeItem(at: copy) }
    try FileManager.default.copyItem(atPath: sentences, toPath: copy.path)
    try Data(
      """
      [{"type": "sentence_transformers.models.Transformer", "path": ""},
       {"type": "sentence_transformers.models.LSTM", "path": "1"}]
      """.utf8
    ).write(to: copy.appending(path: "modules.json"))
    let strange = try #require(EncoderReport(path: copy.path))
    #expect(strange.problems.first?.contains("LSTM") == true)
    #expect(EncoderReport(path: Repository.file("Models/default").path) == nil)
    #expect(EncoderReport(path: "/nonexistent") == nil)
  }

  @Test func filesAndDirectoriesOfGGUFAreModels() throws {
    let file = Self.gguf.path
    let folder = Self.gguf.deletingLastPathComponent()
    let locator = ModelLocator(folder: folder.path)
    #expect(try locator.directory(of: file) == file)
    #expect(ModelLocator.id(of: file) == "llama")
    #expect(throws: ModelLocator.NotFound.self) { try locator.directory(of: "missing.gguf") }
    let alone = FileManager.default.temporaryDirectory.appending(path: "gguf-\(UUID())")
    try FileManager.default.createDirectory(at: alone, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: alone) }
    try FileManager.default.copyItem(at: Self.gguf, to: alone.appending(path: "a.gguf"))
    let path = alone.path
    #expect(try locator.directory(of: path) == path)
  }

  @Test func modelsFromTheHubAreFoundByName() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "hub-\(UUID())")
    defer { try? FileManager.default.removeItem(at: folder) }
    let locator = ModelLocator(folder: folder.path, cache: HubCache(directory: folder.path))
    let missing = #expect(throws: ModelLocator.NotFound.self) {
      try locator.directory(of: "org/some-model")
    }
    #expect(missing?.description.contains("'martlet pull org/some-model'") == true)
    let commit = String(repeating: "a", count: 40)
    let repository = folder.appending(path: "models--org--some-model")
    let snapshot = repository.appending(path: "snapshots/\(commit)")
    try FileManager.default.createDirectory(
      at: repository.appending(path: "refs"), withIntermediateDirectories: true)
    try FileManager.default.createDirectory(at: snapshot, withIntermediateDirectories: true)
    try Data(commit.utf8).write(to: repository.appending(path: "refs/main"))
    try Data("{}".utf8).write(to: snapshot.appending(path: "config.json"))
    let found = try locator.directory(of: "org/some-model")
    #expect(found == snapshot.path && ModelLocator.id(of: found) == "some-model")
    #expect(throws: ModelLocator.NotFound.self) { try locator.directory(of: "org/some-model:Q8_0") }
  }
}

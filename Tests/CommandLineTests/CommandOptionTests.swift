// Options of commands as the requests that they become, and options that would silently not count.

import JSON
import Testing

@testable import martlet

@Suite struct CommandOptionTests {
  @Test func retrieveAsksForAllThatTheRouteOffers() throws {
    let command = try RetrieveCommand.parse([
      "tea", "in", "China", "--fusion", "rrf", "--boost", "title=2", "--boost", "a=b=0.5",
      "--rerank", "--max-per-document", "1", "--dedupe",
    ])
    let expected: JSONValue = [
      "query": "tea in China", "collection": "default", "top_k": 4, "mode": "hybrid",
      "fusion": "rrf", "boosts": ["title": 2.0, "a=b": 0.5], "rerank": true, "dedupe": true,
      "max_per_document": 1,
    ]
    #expect(try command.body() == expected)
    let diverse = try RetrieveCommand.parse(["茶", "--mmr", "0.3"]).body()
    #expect(diverse["mmr"] == ["lambda": 0.3] && diverse["fusion"] == nil)
  }

  @Test func chatSaysHowDocumentsAreUsed() throws {
    func retrieval(_ arguments: [String]) throws -> JSONValue? {
      try ChatCommand.parse(["question"] + arguments).documents()
    }
    #expect(try retrieval([]) == nil)
    #expect(
      try retrieval(["--collection", "a", "--chain", "refine"])
        == ["collection": "a", "chain": "refine"])
    #expect(
      try retrieval(["--retrieval", #"{"top_k": 2, "collection": "b"}"#, "--collection", "a"])
        == ["top_k": 2, "collection": "a"])
  }

  @Test func reindexTakesAllSettings() throws {
    let command = try ReindexCommand.parse([
      "--strategy", "semantic", "--threshold", "80", "--passage-prompt", "passage: ",
      "--query-prompt", "",
    ])
    let expected: JSONValue = [
      "chunking": ["strategy": "semantic", "threshold": 80],
      "prompts": ["passage": "passage: ", "query": ""],
    ]
    #expect(command.settings == expected)
  }

  @Test(arguments: [
    ["a.md", "--type", "text/html"], ["a.md", "--id", "a"], ["a.csv", "--id-column", "id"],
    ["a.csv", "--metadata-columns", "title"], ["a.txt", "--encoding", "bigg5"],
  ]) func optionsThatWouldNotCountAreRefused(arguments: [String]) {
    #expect(throws: (any Error).self) { try IngestCommand.parse(arguments) }
  }

  @Test func optionsThatCantBeReadAreRefused() {
    #expect(throws: (any Error).self) { try RetrieveCommand.parse(["a", "--boost", "title"]) }
    #expect(throws: (any Error).self) { try ChatCommand.parse(["a", "--chain", "refine"]) }
    #expect(throws: (any Error).self) { try ChatCommand.parse(["a", "--retrieval", "{"]) }
  }

  @Test func placesOfResultsAreTold() {
    var result: JSONObject = ["document_id": "a.pdf", "start": 3, "end": 9]
    #expect("\(ResultPlace(.object(result)))" == "a.pdf [3-9]")
    result["page"] = 2
    result["heading"] = "Guide > 安装"
    result["context"] = ["start": 0, "end": 20]
    #expect("\(ResultPlace(.object(result)))" == "a.pdf, page 2, Guide > 安装 [0-20]")
  }
}

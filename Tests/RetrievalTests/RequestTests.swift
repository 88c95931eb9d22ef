// Requests and settings as they arrive in JSON, and what is refused by which name.

import JSON
import Testing

@testable import Retrieval

@Suite struct RequestTests {
  @Test func everythingIsRead() throws {
    let request = try RetrievalRequest(
      json: json(
        """
        {"query": "why", "collection": "c", "top_k": 7, "mode": "dense", "fusion": "minmax",
         "filter": {"type": "exists", "key": "a"}, "min_score": 0.5,
         "mmr": {"lambda": 0.25, "fetch_k": 9}, "explain": true, "rerank": false,
         "dedupe": {"similarity": 0.9}, "max_per_document": 2,
         "expand": {"by": "section", "max_characters": 90}}
        """))
    var expected = RetrievalRequest(.query("why"))
    expected.deduplication = Deduplication(similarity: 0.9)
    expected.maximumPerDocument = 2
    expected.expansion = Expansion(.section, maximumSize: 90)
    expected.collection = "c"
    expected.topK = 7
    expected.mode = .dense
    expected.fusion = .minmax
    expected.filter = .comparison(.exists, key: "a", value: true)
    expected.minimumScore = 0.5
    expected.mmr = MaximalMarginalRelevance(lambda: 0.25, fetchCount: 9)
    expected.explain = true
    #expect(request == expected)
  }

  @Test func defaults() throws {
    let request = try RetrievalRequest(json: json(#"{"query": "why"}"#))
    #expect(request == RetrievalRequest(.query("why")))
    #expect(request.topK == 4 && request.collection == "default")
    #expect(request.effectiveMode == .hybrid && request.fusion == .minmax)
    let vector = try RetrievalRequest(json: json(#"{"vector": [1, 0.5]}"#))
    #expect(vector.subject == .vector([1, 0.5]) && vector.effectiveMode == .dense)
    let mmr = try RetrievalRequest(json: json(#"{"queries": ["a"], "mmr": {}}"#)).mmr
    #expect(mmr == MaximalMarginalRelevance(lambda: 0.5, fetchCount: 50))
    let other = try RetrievalRequest(
      json: json(#"{"query": "a", "dedupe": true, "expand": {}, "boosts": {"标题": 2, "b.c": 0}}"#))
    #expect(other.deduplication == Deduplication(similarity: 0.98))
    #expect(other.expansion == Expansion(.chunks, count: 1, maximumSize: 4000))
    #expect(other.boosts == [FieldBoost(key: "标题", weight: 2), FieldBoost(key: "b.c", weight: 0)])
    #expect(try RetrievalRequest(json: json(#"{"query":"a","dedupe":false}"#)).deduplication == nil)
  }

  @Test func aChatRequestBringsItsOwnQuery() throws {
    let request = try RetrievalRequest(
      json: json(#"{"top_k": 2}"#), subject: .query("from the chat"), field: "retrieval")
    #expect(request.subject == .query("from the chat") && request.topK == 2)
    let wrong = try json(#"{"top_k": "2"}"#)
    let error = refusal {
      _ = try RetrievalRequest(json: wrong, subject: .query("x"), field: "retrieval")
    }
    #expect(error?.field == "retrieval.top_k")
    let chain = try json(#"{"chain": "refine"}"#)
    _ = try RetrievalRequest(json: chain, subject: .query("x"), besides: ["chain"])
    let ownQuery = try json(#"{"query": "another"}"#)
    let refused = refusal { _ = try RetrievalRequest(json: ownQuery, subject: .query("x")) }
    #expect(refused?.field == "query")
  }

  @Test(arguments: [
    ("[]", "body"), ("{}", "query"), (#"{"query":1}"#, "query"), (#"{"query":" \n"}"#, "query"),
    (#"{"query":"a","queries":["b"]}"#, "queries"), (#"{"queries":[]}"#, "queries"),
    (#"{"queries":["a",1]}"#, "queries[1]"), (#"{"queries":["a",""]}"#, "queries[1]"),
    (#"{"queries":"a"}"#, "queries"), (#"{"vector":[1,"a"]}"#, "vector[1]"),
    (#"{"vector":[1e300]}"#, "vector"), (#"{"vector":[1],"mode":"hybrid"}"#, "mode"),
    (#"{"query":"a","top_k":0}"#, "top_k"), (#"{"query":"a","top_k":1.5}"#, "top_k"),
    (#"{"query":"a","top_k":99999999999999999999}"#, "top_k"),
    (#"{"query":"a","mode":"best"}"#, "mode"), (#"{"query":"a","fusion":"sum"}"#, "fusion"),
    (#"{"query":"a","mmr":{"lambda":2}}"#, "mmr.lambda"), (#"{"query":"a","mmr":3}"#, "mmr"),
    (#"{"query":"a","min_score":"x"}"#, "min_score"), (#"{"query":"a","explain":1}"#, "explain"),
    (#"{"query":"a","filter":{"type":"and","filters":[{"type":"?"}]}}"#, "filter.filters[0].type"),
    (#"{"query":"a","collection":3}"#, "collection"),
    (#"{"query":"a","boosts":["title"]}"#, "boosts"),
    (#"{"query":"a","boosts":{"title":-1}}"#, "boosts.title"),
    (#"{"query":"a","boosts":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}}"#, "boosts"),
    (#"{"query":"a","mode":"dense","boosts":{"title":1}}"#, "boosts"),
    (#"{"query":"a","dedupe":"text"}"#, "dedupe"),
    (#"{"query":"a","dedupe":{"similarity":1.1}}"#, "dedupe.similarity"),
    (#"{"query":"a","max_per_document":0}"#, "max_per_document"),
    (#"{"query":"a","expand":true}"#, "expand"),
    (#"{"query":"a","expand":{"by":"page"}}"#, "expand.by"),
    (#"{"query":"a","expand":{"count":0}}"#, "expand.count"),
    (#"{"query":"a","expand":{"max_characters":-1}}"#, "expand.max_characters"),
    (#"{"query":"a","topk":3}"#, "topk"), (#"{"query":"a","chain":"stuff"}"#, "chain"),
    (#"{"query":"a","mmr":{"lambda_mult":0.5}}"#, "mmr.lambda_mult"),
    (#"{"query":"a","expand":{"size":1}}"#, "expand.size"),
    (#"{"query":"a","dedupe":{"threshold":1}}"#, "dedupe.threshold"),
    (#"{"query":"a","rerank":{"top_k":1}}"#, "rerank.top_k"),
    (#"{"query":"a","filter":{"type":"eq","key":"a","val":1}}"#, "filter.val"),
    (#"{"query":"a","filter":{"type":"eq","key":"a","value":1,"filters":[]}}"#, "filter.filters"),
    (
      #"{"query":"a","filter":{"type":"not","key":"a","filters":[{"type":"exists","key":"b"}]}}"#,
      "filter.key"
    ),
  ]) func refusals(text: String, field: String) throws {
    let value = try json(text)
    let error = try #require(refusal { _ = try RetrievalRequest(json: value) })
    #expect(error.field == field, "\(error)")
    #expect(error.code == "invalid_request")
  }

  @Test func tooManyQueriesAreRefused() throws {
    let value: JSONValue = ["queries": .array(Array(repeating: "a", count: 65))]
    #expect(refusal { _ = try RetrievalRequest(json: value) }?.field == "queries")
  }

  @Test func rerankingIsRead() throws {
    func rerank(_ text: String) throws -> Reranking? {
      try RetrievalRequest(json: json(#"{"query":"鸟","rerank":\#(text)}"#)).rerank
    }
    #expect(try rerank("false") == nil && rerank("null") == nil)
    #expect(try rerank("true") == Reranking())
    var wanted = Reranking()
    wanted.model = "m"
    wanted.candidates = 9
    wanted.topN = 2
    #expect(try rerank(#"{"model":"m","candidates":9,"top_n":2}"#) == wanted)
    var request = RetrievalRequest(.query("a"))
    request.rerank = wanted
    request.minimumScore = 0.5
    #expect(request.rerankedCount == 2)
    #expect(request.findingCandidates.topK == 9)
    #expect(request.findingCandidates.minimumScore == nil)
    for text in [#""yes""#, #"{"candidates":0}"#, #"{"candidates":1001}"#, #"{"top_n":-1}"#] {
      #expect(refusal { _ = try rerank(text) }?.field?.hasPrefix("rerank") == true, "\(text)")
    }
  }
}

@Suite struct SettingsTests {
  @Test func settingsAreRead() throws {
    let update = try CollectionSettingsUpdate(
      json: json(
        """
        {"chunking": {"strategy": "characters", "size": 50, "overlap": 5, "separator": "\\n"},
         "embedding_model": "m", "language": "zh-Hans", "metric": "dot"}
        """))
    let settings = try CollectionSettings().applying(update)
    #expect(settings.chunking.strategy == .characters && settings.chunking.size == 50)
    #expect(settings.chunking.overlap == 5 && settings.chunking.separator == "\n")
    #expect(settings.language == "zh-Hans" && settings.metric == .dot)
    #expect(update.embeddingModel == "m")
  }

  @Test func defaults() throws {
    let settings = try CollectionSettings().applying(CollectionSettingsUpdate(json: json("{}")))
    #expect(settings.chunking.strategy == .sentences)
    #expect(settings.chunking.size == 800 && settings.chunking.overlap == 100)
    #expect(settings.metric == .cosine)
    let small = try CollectionSettings().applying(
      CollectionSettingsUpdate(json: json(#"{"chunking":{"size":60}}"#)))
    #expect(small.chunking.overlap == 30, "a default overlap gives way to a small size")
  }

  @Test(arguments: [
    (#"{"metric":"l2"}"#, "metric"), (#"{"language":"english!"}"#, "language"),
    (#"{"chunking":[]}"#, "chunking"), (#"{"chunking":{"size":0}}"#, "chunking.size"),
    (#"{"chunking":{"size":10,"overlap":10}}"#, "chunking.overlap"),
    (#"{"chunking":{"separator":"x"}}"#, "chunking.separator"),
    (#"{"chunking":{"strategy":"semantic","threshold":100}}"#, "chunking.threshold"),
    (#"{"chunking":{"strategy":"words"}}"#, "chunking.strategy"),
    (#"{"chunking":{"strategy":"?"}}"#, "chunking.strategy"),
    (#"{"chunk_size":400}"#, "chunk_size"), (#"{"prompts":{"document":"x"}}"#, "prompts.document"),
    (#"{"chunking":{"chunk_size":400}}"#, "chunking.chunk_size"),
  ]) func refusals(text: String, field: String) throws {
    let value = try json(text)
    let error = try #require(
      refusal { _ = try CollectionSettings().applying(CollectionSettingsUpdate(json: value)) })
    #expect(error.field == field)
    if field == "chunking.strategy" {
      #expect(
        "\(error)".contains(
          "characters, recursive, sentences, markdown, code, tokens, semantic, none"))
    }
  }
}

import Foundation
import JSON
import Testing

@testable import Server

/// Chat with documents, with a model that says what each test has it say.
@Suite(.enabled(if: TestServer.hasEmbeddingModel), .serialized)
struct AnswerChainTests {
  private let question = user("Who announced Llama 2?")

  // MARK: Citations

  @Test func citationsPointIntoTheDocument() async throws {
    let house = try await ScriptedServer.start([
      ("[1] Llama 2 was announced", "It was announced by Meta [1]. The Danube is long [9].")
    ])
    let answer = try await house.ask([question], ["top_k": 2], ["n": 2])
    #expect(answer.status == 200, "\(answer.text)")
    let retrieval = try #require(answer.json["retrieval"])
    #expect(retrieval["chain"] == "stuff")
    #expect(retrieval["citations"]?.array?.count == 2)
    let citation = try #require(retrieval["citations"]?[1])
    #expect(citation["choice"]?.int == 1 && citation["n"]?.int == 1)
    #expect(citation["result"]?.int == 0)
    #expect(citation["chunk_id"] == "llama#0")
    #expect(citation["document_id"] == "llama")
    #expect(citation["support"]?.double == 1)
    let text = ScriptedServer.documents[0].text
    #expect(citation["quote"]?.string == text)
    #expect(citation["quote_start"]?.int == 0)
    #expect(citation["quote_end"]?.int == text.unicodeScalars.count)
    let unknown = try #require(retrieval["unknown_citations"]?.array)
    #expect(unknown.map { $0["n"]?.int } == [9, 9])
    await house.stop()
  }

  @Test func theSentenceThatSupportsIsQuoted() async throws {
    let house = try await ScriptedServer.start([
      ("Passages:", "The models are tuned for dialogue [1].")
    ])
    let answer = try await house.ask(
      [user("How many parameters are there, 7, 13 or 70 billion?")],
      ["top_k": 1, "mode": "sparse"])
    let citation = try #require(answer.json["retrieval"]?["citations"]?[0])
    #expect(citation["quote"] == "The tuned models are for dialogue.")
    let start = try #require(citation["quote_start"]?.int)
    let scalars = Array(ScriptedServer.documents[1].text.unicodeScalars)
    #expect(
      String(String.UnicodeScalarView(scalars[start...])) == "The tuned models are for dialogue.")
    await house.stop()
  }

  // MARK: Nothing found

  @Test(arguments: [
    ("Who announced Llama 2?", QuestionLanguage.english), ("谁发布了这个模型？", .chinese),
  ])
  func nothingFoundIsSaidInTheQuestionsLanguage(
    question: String, language: QuestionLanguage
  ) async throws {
    let house = try await ScriptedServer.start([])
    let retrieval: JSONObject = ["min_score": 0.999]
    let answer = try await house.ask([user(question)], retrieval)
    #expect(answer.content == language.notFound)
    #expect(answer.json["choices"]?[0]?["finish_reason"] == "stop")
    #expect(answer.json["retrieval"]?["results"] == [])
    #expect(answer.json["usage"]?["total_tokens"]?.int == 0)
    let streamed = try await house.ask([user(question)], retrieval, ["stream": true])
    let text = try streamed.events().compactMap {
      $0["choices"]?[0]?["delta"]?["content"]?.string
    }.joined()
    #expect(text == language.notFound)
    #expect(house.model.prompts.isEmpty)
    #expect(
      house.server.server.application.metrics.retrievalAnswers.value("not_found") == 2)
    await house.stop()
  }

  // MARK: Queries

  @Test func aFollowUpQuestionIsRewritten() async throws {
    let house = try await ScriptedServer.start([
      ("Rewrite the last question", "Who announced Llama 2?"), ("Passages:", "Meta [1]."),
    ])
    let messages = [
      user("Tell me about Llama 2."), ["role": "assistant", "content": "It is a model."],
      user("Who announced it?"),
    ]
    let answer = try await house.ask(messages, ["rewrite": true, "top_k": 1, "mode": "sparse"])
    let retrieval = try #require(answer.json["retrieval"])
    #expect(retrieval["question"] == "Who announced Llama 2?")
    #expect(retrieval["results"]?[0]?["document_id"] == "llama")
    #expect(answer.content == "Meta [1].")
    // The rewriting is part of what the answer took.
    let call = try #require(retrieval["calls"]?[0])
    #expect(call["purpose"] == "rewrite")
    let prompts = try #require(call["prompt_tokens"]?.int)
    #expect(try #require(answer.json["usage"]?["prompt_tokens"]?.int) > prompts)
    #expect(
      house.model.prompts[0].contains("User: Tell me about Llama 2.\nAssistant: It is a model."))
    // The model answers the question that was asked.
    #expect(house.model.prompts[1].contains("user\nWho announced it?"))
    await house.stop()
  }

  @Test func chineseIsRewrittenInChinese() async throws {
    let house = try await ScriptedServer.start([
      ("请改写最后一个问题", "**改写后的问题：**\n“向量检索按什么查找段落？”"), ("资料：", "按意思 [1]。"),
    ])
    let messages = [
      user("什么是向量检索？"), ["role": "assistant", "content": "一种检索。"], user("它按什么查找？"),
    ]
    let answer = try await house.ask(messages, ["rewrite": true, "top_k": 1, "mode": "sparse"])
    #expect(answer.json["retrieval"]?["question"] == "向量检索按什么查找段落？")
    #expect(answer.json["retrieval"]?["results"]?[0]?["document_id"] == "zh")
    #expect(answer.content == "按意思 [1]。")
    #expect(house.model.prompts[0].contains("用户：什么是向量检索？\n助手：一种检索。"))
    await house.stop()
  }

  @Test func aQuestionThatStandsAloneIsNotRewritten() async throws {
    let house = try await ScriptedServer.start([("Passages:", "Meta [1].")])
    let answer = try await house.ask([question], ["rewrite": true])
    #expect(answer.json["retrieval"]?["calls"] == [])
    #expect(answer.json["retrieval"]?["question"] == "Who announced Llama 2?")
    await house.stop()
  }

  @Test func severalQueriesAreFused() async throws {
    let house = try await ScriptedServer.start([
      (
        "other search queries",
        "Sure, here are two:\n1. Danube countries\n- \"Black Sea\"\n\nDanube countries\nfourth"
      ),
      ("Passages:", "Ten [1]."),
    ])
    let answer = try await house.ask(
      [user("Which river flows far?")], ["queries": 3, "top_k": 2, "mode": "sparse"])
    let retrieval = try #require(answer.json["retrieval"])
    #expect(
      retrieval["queries"] == ["Which river flows far?", "Danube countries", "Black Sea"])
    let first = try #require(retrieval["results"]?[0])
    #expect(first["document_id"] == "river")
    // Ranked first by all three.
    #expect(abs((first["score"]?.double ?? 0) - 3.0 / 61) < 1e-12)
    #expect(first["scores"]?["fused"] == first["score"])
    #expect(retrieval["calls"]?[0]?["purpose"] == "queries")
    await house.stop()
  }

  @Test func aHypotheticalAnswerIsSearchedByMeaning() async throws {
    let house = try await ScriptedServer.start([
      ("as it might stand in a document", ScriptedServer.documents[2].text),
      ("Passages:", "Far [1]."),
    ])
    let search: JSONObject = ["mode": "dense", "top_k": 1]
    let plain = try await house.ask([user("Llama 2")], search)
    #expect(plain.json["retrieval"]?["results"]?[0]?["document_id"] != "river")
    let answer = try await house.ask(
      [user("What is long and wet and has a name?")], search.merging(["hyde": true]) { $1 })
    let retrieval = try #require(answer.json["retrieval"])
    #expect(retrieval["hypothetical"]?.string == ScriptedServer.documents[2].text)
    #expect(retrieval["results"]?[0]?["document_id"] == "river")
    await house.stop()
  }

  // MARK: Chains

  @Test func mapReduceAnswersFromNotes() async throws {
    let house = try await ScriptedServer.start([
      ("Passage:\nLlama 2 was announced", "Meta announced it in 2023."),
      ("Passage:\nLlama 2 comes", "There are three sizes."),
      ("Passage:", "NONE."),
      ("Passages:\n[1]", "Meta [1], three sizes [2]."),
    ])
    let answer = try await house.ask(
      [question], ["chain": "map_reduce", "top_k": 4, "mode": "dense"])
    #expect(answer.content == "Meta [1], three sizes [2].")
    let retrieval = try #require(answer.json["retrieval"])
    #expect(retrieval["calls"]?.array?.count == 4)
    let results = try #require(retrieval["results"]?.array)
    for result in results {
      let isUsed = ["llama", "sizes"].contains(result["document_id"]?.string)
      #expect(result["used"]?.bool == isUsed)
      #expect(result["dropped"]?.string == (isUsed ? nil : "irrelevant"))
    }
    let last = try #require(house.model.prompts.last)
    #expect(last.contains("Meta announced it in 2023.") && last.contains("There are three sizes."))
    #expect(!last.contains("NONE") && !last.contains("18 July"))
    // Citations quote the chunk, not the notes.
    let quotes = retrieval["citations"]?.array?.compactMap { $0["quote"]?.string } ?? []
    #expect(quotes.contains { $0.contains("18 July") })
    await house.stop()
  }

  @Test func mapReduceWithoutNotesFindsNothing() async throws {
    let house = try await ScriptedServer.start([("资料：", "无。")])
    let answer = try await house.ask([user("谁发布了这个模型？")], ["chain": "map_reduce"])
    #expect(answer.content == QuestionLanguage.chinese.notFound)
    #expect(answer.json["usage"]?["completion_tokens"]?.int ?? 0 > 0)
    await house.stop()
  }

  @Test func refineGoesFromPassageToPassage() async throws {
    let house = try await ScriptedServer.start([
      ("Answer so far:\nMeta [1].", "Meta [1], in three sizes [2]."),
      ("[1] Llama 2 was announced", "Meta [1]."),
    ])
    let request: JSONObject = ["chain": "refine", "top_k": 2, "mode": "dense"]
    let answer = try await house.ask([question], request)
    #expect(answer.content == "Meta [1], in three sizes [2].")
    #expect(house.model.prompts.count == 2)
    #expect(house.model.prompts[1].contains("[2] Llama 2 comes with"))
    #expect(!house.model.prompts[1].contains("18 July"))
    let retrieval = try #require(answer.json["retrieval"])
    #expect(retrieval["calls"]?.array?.map { $0["purpose"]?.string } == ["refine"])
    #expect(retrieval["citations"]?.array?.map { $0["result"]?.int } == [0, 1])
    await house.stop()
  }

  @Test(arguments: ["stuff", "map_reduce", "refine"])
  func everyChainStreamsWhatItAnswersWhole(chain: String) async throws {
    let house = try await ScriptedServer.start([
      ("Passage:", "Meta announced it."), ("Answer so far:", "Meta [1], surely [2]."),
      ("Passages:", "By Meta [1]."),
    ])
    let request: JSONObject = ["chain": .string(chain), "top_k": 3, "mode": "dense"]
    let whole = try await house.ask([question], request)
    let streamed = try await house.ask(
      [question], request, ["stream": true, "stream_options": ["include_usage": true]])
    let events = try streamed.events()
    let text = events.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.joined()
    #expect(text == whole.content)
    let parts = events.compactMap(\.["retrieval"])
    #expect(parts.count == 2)
    #expect(parts.first?["results"] == whole.json["retrieval"]?["results"])
    #expect(parts.last?["citations"] == whole.json["retrieval"]?["citations"])
    let usage = try #require(events.last?["usage"])
    for field in ["prompt_tokens", "completion_tokens"] {
      #expect(usage[field] == whole.json["usage"]?[field])
    }
    await house.stop()
  }

  // MARK: Context

  @Test func passagesThatDoNotFitAreLeftOutFromTheEnd() async throws {
    let house = try await ScriptedServer.start([("Passages:", "Meta [1].")])
    let answer = try await house.ask(
      [question], ["top_k": 4, "mode": "dense", "context_tokens": 60])
    let results = try #require(answer.json["retrieval"]?["results"]?.array)
    let used = results.map { $0["used"]?.bool ?? false }
    #expect(used.first == true && used.last == false)
    #expect(used == used.sorted { $0 && !$1 })
    #expect(results.last?["dropped"] == "context")
    #expect(results.first?["n"]?.int == 1)
    await house.stop()
  }

  /// The model would answer all the same, from nothing.
  @Test(arguments: ["stuff", "map_reduce", "refine", "rag_token", "rag_sequence"], [true, false])
  func passagesThatAllDoNotFitAreRefused(chain: String, streams: Bool) async throws {
    let house = try await ScriptedServer.start([
      ("Write down what the passage says", "Meta announced Llama 2 together with Microsoft.")
    ])
    let answer = try await house.ask(
      [question], ["context_tokens": 1, "chain": .string(chain)], ["stream": .bool(streams)])
    #expect(answer.text.contains("no_passage_fits"), "\(answer.text)")
    #expect(answer.text.contains("raise retrieval.context_tokens"))
    // A stream that has begun with calls before the answer tells it as its last event.
    #expect(answer.status == (streams && chain == "map_reduce" ? 200 : 400))
    await house.stop()
  }

  @Test func documentOrderMakesTheSamePromptForEveryQuestion() async throws {
    let house = try await ScriptedServer.start([("Passages:", "Meta [2].")])
    let search: JSONObject = ["top_k": 4, "mode": "dense", "order": "document"]
    let first = try await house.ask([question], search)
    _ = try await house.ask([user("Where does the Danube flow?")], search)
    func passages(_ prompt: String) -> Substring? {
      prompt.split(separator: "<|im_end|>").first
    }
    #expect(passages(house.model.prompts[0]) == passages(house.model.prompts[1]))
    #expect(house.model.prompts[0].contains("[1] Llama 2 was announced"))
    #expect(house.model.prompts[0].contains("[2] The Danube"))
    let retrieval = try #require(first.json["retrieval"])
    let index = try #require(retrieval["citations"]?[0]?["result"]?.int)
    #expect(retrieval["results"]?[index]?["document_id"] == "river")
    await house.stop()
  }

  @Test func aTemplateOfTheRequestReplacesOurs() async throws {
    let house = try await ScriptedServer.start([("FACTS", "Meta.")])
    let template = """
      FACTS ({{ language }}) for {{ question }}
      {% for p in passages %}{{ p.n }}/{{ p.document_id }}: {{ p.text }} {{ p.metadata | length }} \
      {{ p.page }} {{ p.heading }}
      {% endfor %}
      """
    let answer = try await house.ask(
      [["role": "system", "content": "Be brief."], question],
      ["template": .string(template), "top_k": 1, "mode": "sparse"])
    #expect(answer.content == "Meta.")
    let prompt = try #require(house.model.prompts.first)
    #expect(prompt.contains("Be brief.\n\nFACTS (en) for Who announced Llama 2?\n1/llama: Llama 2"))
    #expect(prompt.contains(" 0 None None"))
    await house.stop()
  }

  @Test func theConfigurationSetsDefaults() async throws {
    let path = TestServer.temporaryFolder() + ".jinja"
    try "HOUSE STYLE {{ passages[0].text }}".write(toFile: path, atomically: true, encoding: .utf8)
    let house = try await ScriptedServer.start([("HOUSE STYLE", "Meta.")]) {
      $0.retrievalTemplate = path
      $0.retrievalChain = .refine
    }
    let answer = try await house.ask([question], ["top_k": 1])
    #expect(answer.content == "Meta.")
    #expect(answer.json["retrieval"]?["chain"] == "refine")
    await house.stop()
    await #expect(throws: StartupFailure.self) {
      _ = try await TestServer.start {
        $0.model = "none"
        $0.retrievalTemplate = "/nowhere.jinja"
      }
    }
  }

  // MARK: Refusals

  @Test(
    arguments: [
      (["chain": "magic"], "retrieval.chain"), (["queries": 0], "retrieval.queries"),
      (["queries": 9], "retrieval.queries"), (["rewrite": "yes"], "retrieval.rewrite"),
      (["order": "random"], "retrieval.order"), (["context_tokens": 0], "retrieval.context_tokens"),
      (["hyde": true, "mode": "sparse"], "retrieval.hyde"),
      (["template": "{% for %}"], "retrieval.template"), (["template": 5], "retrieval.template"),
      (
        [
          "template":
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"
        ],
        "retrieval.template"
      ),
      (["top_k": 0], "retrieval.top_k"), (["tau": 0], "retrieval.tau"),
      (["candidates": 5], "retrieval.candidates"),
      (["chain": "rag_token", "mode": "sparse"], "retrieval.mode"),
    ] as [(JSONObject, String)])
  func badFieldsAreNamed(fields: JSONObject, param: String) async throws {
    let house = try await ScriptedServer.start([("Passages:", "x")])
    let answer = try await house.ask([question], fields)
    #expect(answer.status == 400, "\(answer.text)")
    #expect(answer.json["error"]?["param"]?.string == param)
    #expect(house.model.prompts.isEmpty)
    await house.stop()
  }
}

struct QueryWriterTests {
  @Test(arguments: [
    ("1. a\n2) b\n3、c", ["a", "b", "c"]), ("- a\n* b\n• c", ["a", "b", "c"]),
    ("\"a\"\n\n  “b”  \n'c'", ["a", "b", "c"]), ("2023 in review", ["2023 in review"]),
    ("...\n---\n?!", []), ("", []),
  ])
  func linesLoseNumbersBulletsAndQuotes(text: String, expected: [String]) {
    #expect(QueryWriter.lines(of: text) == expected)
  }

  @Test(arguments: ["NONE", "None.", "无。", " ", "没有", "**NONE**"])
  func emptyNotesAreRecognised(note: String) {
    #expect(MapReduce.saysNothing(note))
    #expect(!MapReduce.saysNothing(note + " of the passages but one: Meta"))
  }

  @Test func theLanguageFollowsTheText() {
    #expect(QuestionLanguage(of: "What is Llama 2?") == .english)
    #expect(QuestionLanguage(of: "什么是 Llama 2？") == .chinese)
    #expect(QuestionLanguage(of: "") == .english)
  }
}

struct ContextPlacingTests {
  @Test func contextFollowsTheCallersSystemMessage() throws {
    let messages: [JSONValue] = [
      ["role": "system", "content": "Be brief."], ["role": "user", "content": "Who?"],
    ]
    let result = ContextBuilder.adding("Context", to: messages)
    #expect(result == [["role": "system", "content": "Be brief.\n\nContext"], messages[1]])
    #expect(
      ContextBuilder.adding("Context", to: [messages[1]])
        == [["role": "system", "content": "Context"], messages[1]])
  }
}

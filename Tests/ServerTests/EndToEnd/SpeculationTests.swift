// Speculation as a server is told to do it: answers stay what they are, and what can't work is said
// at the start.

import JSON
import Testing

@testable import Server

struct SpeculationTests {
  /// The strictest draft model there is: the chat model itself.
  @Test func answersAreThoseOfPlainDecoding() async throws {
    let plain = try await TestServer.start {
      $0.speculation = .off
      $0.embeddingModel = "none"
    }
    let drafting = try await TestServer.start {
      $0.draftModel = "default"
      $0.embeddingModel = "none"
    }
    let lookup = try await TestServer.start { $0.embeddingModel = "none" }
    for temperature in [0, 0.9] {
      let request: JSONValue = [
        "messages": [user("Say one two three four five, one two three four five.")],
        "max_tokens": 40, "temperature": .double(temperature), "seed": 5, "logprobs": true,
      ]
      let expected = try await plain.post("/chat", request).json
      #expect(
        expected["usage"]?["completion_tokens_details"]?["accepted_prediction_tokens"]?.int == 0)
      for server in [drafting, lookup] {
        let json = try await server.post("/chat", request).json
        #expect(json["choices"] == expected["choices"])
        let details = json["usage"]?["completion_tokens_details"]
        #expect(details?["accepted_prediction_tokens"]?.int != nil)
      }
    }
    let metrics = try await drafting.get("/metrics").text
    #expect(metrics.contains("martlet_draft_tokens_total"))
    for server in [plain, drafting, lookup] { await server.server.stop() }
  }

  @Test func draftingWithoutADraftModelIsRefused() async throws {
    try await expectRefusal(naming: "--draft-model") { $0.speculation = .draft }
  }

  @Test func anUnknownDraftModelIsRefused() async throws {
    try await expectRefusal(naming: "no-such-model") { $0.draftModel = "no-such-model" }
  }

  @Test(.enabled(if: TestServer.hasEmbeddingModel))
  func aDraftModelOfOtherTokensIsRefused() async throws {
    try await expectRefusal(naming: "another vocabulary: token 0") {
      $0.draftModel = "all-MiniLM-L6-v2"
    }
  }

  /// Refused as a configuration that can't work, which the command line answers with 78.
  private func expectRefusal(
    naming reason: String, _ change: (inout ServerConfiguration) -> Void
  ) async throws {
    await #expect {
      _ = try await TestServer.start(change)
    } throws: { error in
      let failure = error as? StartupFailure
      return failure?.isConfiguration == true && failure?.message.contains(reason) == true
    }
  }
}

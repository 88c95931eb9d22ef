import JSON
import Testing

@testable import Server

struct CitationTests {
  @Test func markersAreFoundWithTheirPlaces() {
    let answer = "By Meta [1], in July 😀 [2][1]."
    let found = Citations.find(in: answer, passageCount: 2)
    #expect(found.map(\.number) == [1, 2, 1])
    let scalars = Array(answer.unicodeScalars)
    for citation in found {
      let text = String(String.UnicodeScalarView(scalars[citation.start..<citation.end]))
      #expect(text == "[\(citation.number)]")
    }
  }

  @Test(arguments: [
    "", "[", "[]", "[1", "1]", "[0]", "[3]", "[-1]", "[99999]", "[a]", "[ 1]", "[1.5]", "[１]",
  ])
  func whatNamesNoPassageIsNoCitation(answer: String) {
    #expect(Citations.find(in: answer, passageCount: 2).isEmpty)
  }

  @Test func nestedBracketsFindTheInnerMarker() {
    #expect(Citations.find(in: "[[2]]", passageCount: 2) == [Citation(number: 2, start: 1, end: 4)])
  }
}

struct RetrievalPromptTests {
  @Test func passagesFollowTheCallersSystemMessage() throws {
    let messages: [JSONValue] = [
      ["role": "system", "content": "Be brief."], ["role": "user", "content": "Who?"],
    ]
    let result = RetrievalPrompt.english.adding(["First.", "Second."], to: messages)
    let system = try #require(result[0]["content"]?.string)
    #expect(system.hasPrefix("Be brief.\n\n"))
    #expect(system.hasSuffix("Passages:\n[1] First.\n[2] Second."))
    #expect(result[1] == messages[1])
    #expect(result.count == 2)
  }

  @Test func aSystemMessageIsMadeWhereThereIsNone() {
    let result = RetrievalPrompt.chinese.adding(["一"], to: [["role": "user", "content": "谁？"]])
    #expect(result.count == 2)
    #expect(result[0]["role"] == "system")
    #expect(result[0]["content"]?.string?.hasSuffix("资料：\n[1] 一") == true)
  }

  @Test func wordingFollowsTheQuestion() {
    #expect(RetrievalPrompt.matching(question: "What is Llama 2?").heading == "Passages:")
    #expect(RetrievalPrompt.matching(question: "什么是 Llama 2？").heading == "资料：")
    #expect(RetrievalPrompt.matching(question: "").heading == "Passages:")
  }
}

import Documents
import Evaluation
import Testing

struct CitationMarkerTests {
  @Test func markersAreFoundWithTheirPlaces() {
    let answer = "By Meta [1], in July 😀 [2][1]."
    let found = CitationMarker.find(in: answer)
    #expect(found.map(\.number) == [1, 2, 1])
    let scalars = Array(answer.unicodeScalars)
    for citation in found {
      let text = String(String.UnicodeScalarView(scalars[citation.start..<citation.end]))
      #expect(text == "[\(citation.number)]")
    }
  }

  @Test(arguments: [
    "", "[", "[]", "[1", "1]", "[0]", "[-1]", "[99999]", "[a]", "[ 1]", "[1.5]", "[１]", "[1,]",
    "[1,", "[1, a]",
  ])
  func otherBracketsAreText(answer: String) {
    #expect(CitationMarker.find(in: answer).isEmpty)
  }

  @Test func nestedBracketsFindTheInnerMarker() {
    #expect(CitationMarker.find(in: "[[2]]") == [CitationMarker(number: 2, start: 1, end: 4)])
  }

  @Test func markersCanBeRemoved() {
    #expect(CitationMarker.removed(from: "[1] By Meta [1, 2]. 由😀[3][4]。") == " By Meta . 由😀。")
    #expect(CitationMarker.removed(from: "a[0]") == "a[0]")
    #expect(CitationMarker.removed(from: "") == "")
  }

  @Test(arguments: ["[1,2]", "[1, 2]", "[1，2]", "[1、2]"])
  func severalNumbersAreSeveralCitations(answer: String) {
    let end = answer.unicodeScalars.count
    #expect(
      CitationMarker.find(in: answer)
        == [1, 2].map { CitationMarker(number: $0, start: 0, end: end) })
  }
}

struct CitedSentenceTests {
  private func split(_ answer: String) -> [(text: String, numbers: [Int])] {
    CitedSentence.split(answer, boundaries: TextSentences.ranges).map {
      ($0.text, $0.markers.map(\.number))
    }
  }

  @Test(arguments: [
    ("Meta made it [1]. It came in July [2].", [[1], [2]]),
    ("Meta made it.[1] It came in July.[2]", [[1], [2]]),
    ("Meta made it. [1][3] It came in July.", [[1, 3], []]),
    ("[1] Meta made it. [2] It came in July.", [[1], [2]]),
    ("Meta [2] made it. It came in July.", [[2], []]),
    ("由 Meta 发布。[1]时间是七月[2]。", [[1], [2]]),
    ("由 Meta 发布[1]。时间是七月。", [[1], []]),
    ("Meta made it.", [[]]),
    ("[1]", []), ("", []),
  ])
  func markersBelongToTheirSentence(answer: String, expected: [[Int]]) {
    #expect(split(answer).map(\.numbers) == expected)
  }

  @Test func markersAreNoPartOfTheText() {
    let sentences = split("Meta [1] made it [2]. 七月[1]。")
    #expect(!sentences.contains { $0.text.contains("[") })
  }
}

struct SupportTests {
  @Test func supportIsTheShareOfContentTerms() {
    let passage = "Llama 2 was announced on 18 July 2023 by Meta with Microsoft."
    #expect(Support.share(of: "Meta announces Llama 2.", in: [passage]) == 1)
    #expect(Support.share(of: "It was announced by Google.", in: [passage]) == 0.5)
    #expect(Support.share(of: "Rivers flow to the sea.", in: [passage]) == 0)
    #expect(Support.share(of: "It is.", in: [passage]) == 1)
  }

  @Test func chineseIsComparedByPairs() {
    let passage = "向量检索按意思查找段落。"
    #expect(Support.share(of: "向量检索", in: [passage]) == 1)
    // 按意, 意义: one of two.
    #expect(Support.share(of: "按意义", in: [passage]) == 0.5)
  }

  @Test func severalPassagesSupportTogether() {
    #expect(Support.share(of: "Meta and Microsoft", in: ["Meta.", "Microsoft."]) == 1)
  }

  @Test func theClosestPartIsQuoted() {
    let parts = ["The Danube is long.", "Meta announced it.", "Meta announced Llama 2."]
    #expect(Support.best(of: parts, for: "Llama was announced by Meta") == 2)
    #expect(Support.best(of: parts, for: "Tea") == nil)
  }
}

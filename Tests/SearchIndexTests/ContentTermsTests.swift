import SearchIndex
import Testing

@Suite struct ContentTermsTests {
  private func terms(_ text: String) -> Set<String> {
    Set(ContentTerms.of(text).map { String(decoding: $0, as: UTF8.self) })
  }

  @Test func wordsAreStemmedAndStopWordsDropped() {
    #expect(terms("The models were announced") == terms("It announces a Model"))
    #expect(terms("It was the") == [])
    #expect(terms("GPT-4 in 2023") == ["gpt", "4", "2023"])
  }

  @Test func ideographsArePairs() {
    #expect(terms("向量检索") == ["向量", "量检", "检索"])
    #expect(terms("的 Llama 图") == ["的", "llama", "图"])
    #expect(terms("") == [])
  }
}

// The language in which the house speaks about documents: that of the question.

enum QuestionLanguage: String, Sendable, CaseIterable {
  case english = "en"
  case chinese = "zh"

  /// Chinese for a text in which Han characters outnumber Latin words.
  init(of text: String) {
    let han = text.unicodeScalars.count { (0x4E00...0x9FFF).contains($0.value) }
    let words = text.split { !$0.isLetter || !$0.isASCII }.count
    self = han > words ? .chinese : .english
  }

  /// The answer where nothing was found. Worded as in the conversations that the bundled model was
  /// trained on.
  var notFound: String {
    switch self {
    case .english: "I'm sorry, but I could not find the answer in the provided context."
    case .chinese: "抱歉，我在提供的资料中没有找到答案。"
    }
  }
}

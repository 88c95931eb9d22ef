// Which of a model directory's files holds its tokenizer: tokenizer.json, and only without it the older
// forms.

import FoundationEssentials

enum TokenizerFiles {
  /// In the order of preference.
  private static let names = [
    "tokenizer.json", "tokenizer.model", "spiece.model", "qwen.tiktoken", "vocab.json", "vocab.txt",
  ]

  /// The tokenizer, and what it calls its special tokens.
  static func read(
    directory: String
  ) throws(TokenizerError) -> (definition: TokenizerDefinition, specialTokens: [String: String]) {
    let found = names.first { FileManager.default.fileExists(atPath: "\(directory)/\($0)") }
    guard let found else {
      let others = names.dropFirst().joined(separator: ", ")
      throw .unreadable(
        file: "\(directory)/tokenizer.json", reason: "it is missing, and so are \(others)")
    }
    let file = "\(directory)/\(found)"
    let settings = try TokenizerSettings(directory: directory)
    switch found {
    case "tokenizer.json":
      return (try TokenizerDefinition(json: readFile(file), file: file), settings.names)
    case "tokenizer.model", "spiece.model":
      let (definition, names) = try SentencePieceDefinition.read(file: file, settings: settings)
      return (definition, names.merging(settings.names) { $1 })
    case "qwen.tiktoken":
      return (
        try TiktokenDefinition.read(file: file, settings: settings),
        TiktokenDefinition.names.merging(settings.names) { $1 }
      )
    case "vocab.json":
      return (
        try VocabularyDefinition.readBytePairs(directory: directory, settings: settings),
        settings.names
      )
    default:
      return (
        try VocabularyDefinition.readWordPieces(file: file, settings: settings), settings.names
      )
    }
  }
}

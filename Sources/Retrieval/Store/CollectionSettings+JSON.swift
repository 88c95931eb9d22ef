// Reads the body of PUT /collections/{name} and applies it to settings. Refuses fields and chunking
// strategies that there are not by naming those that there are.

import Documents
package import JSON

extension CollectionSettingsUpdate {
  package init(json: JSONValue) throws(RetrievalError) {
    self.init()
    let fields = try JSONFields(json)
    try fields.refuseOthers(
      than: ["chunking", "embedding_model", "language", "prompts", "metric"])
    metric = try fields.choice("metric")
    language = try fields.string("language")
    if let language, !Self.isLanguageTag(language) {
      throw fields.invalid("language", "\"\(language)\" is no language tag such as en or zh-Hans")
    }
    embeddingModel = try fields.string("embedding_model")
    if let prompts = fields.value("prompts") {
      let fields = try JSONFields(prompts, field: "prompts")
      try fields.refuseOthers(than: ["query", "passage"])
      queryPrompt = try Self.prompt("query", fields)
      passagePrompt = try Self.prompt("passage", fields)
    }
    if let chunking = fields.value("chunking") { try readChunking(chunking) }
  }

  private static let maximumPromptByteCount = 4096

  private static func prompt(_ key: String, _ fields: JSONFields) throws(RetrievalError) -> String?
  {
    guard let text = try fields.string(key) else { return nil }
    guard text.utf8.count <= maximumPromptByteCount, !text.unicodeScalars.contains("\0") else {
      throw fields.invalid(
        key, "a prompt has at most \(maximumPromptByteCount) bytes, none of them 0")
    }
    return text
  }

  private mutating func readChunking(_ json: JSONValue) throws(RetrievalError) {
    let fields = try JSONFields(json, field: "chunking")
    try fields.refuseOthers(than: ["strategy", "size", "overlap", "separator", "threshold"])
    if let word = try fields.string("strategy") {
      guard let strategy = ChunkingStrategy(rawValue: word) else {
        let known = ChunkingStrategy.allCases.map(\.rawValue).joined(separator: ", ")
        throw .unsupported(
          field: "chunking.strategy", message: "\"\(word)\" is not offered; use one of \(known)")
      }
      self.strategy = strategy
    }
    size = try fields.int("size", in: 1...1_000_000)
    overlap = try fields.int("overlap", in: 0...1_000_000)
    separator = try fields.string("separator")
    threshold = try fields.int("threshold", in: 1...99)
  }

  /// Letters, digits and hyphens, starting with two or three letters (BCP 47 as far as it matters).
  private static func isLanguageTag(_ tag: String) -> Bool {
    let parts = tag.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard let first = parts.first, (2...3).contains(first.count) else { return false }
    return first.allSatisfy(\.isASCIILetter)
      && parts.dropFirst().allSatisfy { part in
        (1...8).contains(part.count) && part.allSatisfy { $0.isASCIILetter || $0.isASCIIDigit }
      }
  }
}

extension CollectionSettings {
  /// These settings with what the update names replaced. Sizes that don't fit together are refused.
  func applying(_ update: CollectionSettingsUpdate) throws(RetrievalError) -> CollectionSettings {
    var settings = self
    if let strategy = update.strategy, strategy != chunking.strategy {
      settings.chunking = ChunkingSettings()
      settings.chunking.strategy = strategy
    }
    settings.chunking.size = update.size ?? settings.chunking.size
    settings.chunking.overlap =
      update.overlap ?? min(settings.chunking.overlap, settings.chunking.size / 2)
    settings.chunking.separator = update.separator ?? settings.chunking.separator
    settings.chunking.threshold = update.threshold ?? settings.chunking.threshold
    settings.metric = update.metric ?? metric
    settings.language = update.language ?? language
    settings.queryPrompt = update.queryPrompt ?? queryPrompt
    settings.passagePrompt = update.passagePrompt ?? passagePrompt
    guard settings.chunking.overlap < settings.chunking.size else {
      throw .invalidRequest(
        field: "chunking.overlap",
        message: """
          \(settings.chunking.overlap) must be less than the size, \(settings.chunking.size)
          """)
    }
    if update.separator != nil, settings.chunking.strategy != .characters {
      throw .invalidRequest(
        field: "chunking.separator", message: "only the strategy \"characters\" has a separator")
    }
    if update.threshold != nil, settings.chunking.strategy != .semantic {
      throw .invalidRequest(
        field: "chunking.threshold", message: "only the strategy \"semantic\" has a threshold")
    }
    return settings
  }
}

extension UInt8 {
  var isASCIILetter: Bool { (0x61...0x7A).contains(self | 0x20) }
  var isASCIIDigit: Bool { (0x30...0x39).contains(self) }
}

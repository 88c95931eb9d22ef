// Source code: one document, unaltered, whose `format` is the programming language. The code chunker
// cuts it where that language begins its definitions.

enum SourceCodeExtractor: Extractor {
  static let contentTypes = (languages.keys.map { "text/x-\($0)" } + registered.keys).sorted()
  static let fileEndings = languages.values.flatMap { $0 }.sorted()
  static let formats = Set(languages.keys)

  /// Endings by language, named as in CodeSeparators where those know it.
  private static let languages: [String: [String]] = [
    "c": ["c", "h"], "cpp": ["cpp", "cc", "cxx", "hpp", "hh", "hxx"], "csharp": ["cs"],
    "css": ["css", "scss"], "dart": ["dart"], "elixir": ["ex", "exs"], "go": ["go"],
    "haskell": ["hs"], "java": ["java"], "javascript": ["js", "mjs", "cjs", "jsx"],
    "julia": ["jl"], "kotlin": ["kt", "kts"], "lua": ["lua"], "perl": ["pl", "pm"],
    "php": ["php"], "powershell": ["ps1", "psm1"], "proto": ["proto"], "python": ["py", "pyi"],
    "r": ["r"], "ruby": ["rb"], "rust": ["rs"], "scala": ["scala", "sc"],
    "shell": ["sh", "bash", "zsh"], "sql": ["sql"], "swift": ["swift"],
    "typescript": ["ts", "tsx", "mts", "cts"], "xml": ["xml", "xsd", "xsl"],
  ]

  /// Languages by the types that IANA knows, and browsers send.
  private static let registered = [
    "application/javascript": "javascript", "text/javascript": "javascript", "text/css": "css",
    "application/sql": "sql", "application/x-sh": "shell", "application/xml": "xml",
    "text/xml": "xml",
  ]

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    let ending = source.fileName.flatMap(FileEnding.of)
    let type = source.contentType.map { MediaType($0).essence }
    let named = type.flatMap { type in
      registered[type] ?? languages.keys.first { type == "text/x-\($0)" }
    }
    let language =
      named ?? languages.first { ending.map($0.value.contains) ?? false }?.key
    let text = try TextDecoding.decode(source.bytes, charset: source.charset)
    return [source.document(text, format: language)]
  }
}

// PDF documents through `pdftotext` of poppler-utils, run as a program of its own: poppler is under the
// GPL, and a parser of PDF is better off in a process that may be killed. Pages end in form feeds, by
// which chunks know theirs. Refuses PDFs without text (scans need OCR) and locked ones.

enum PDFExtractor: Extractor {
  static let contentTypes = ["application/pdf", "application/x-pdf"]
  static let fileEndings = ["pdf"]

  static func recognizes(_ bytes: [UInt8]) -> Bool { bytes.starts(with: Array("%PDF-".utf8)) }

  static func documents(from source: DocumentSource, _ context: inout ExtractionContext)
    throws(DocumentError) -> [DocumentInput]
  {
    guard let path = context.limits.tool.path ?? ExternalTool.find("pdftotext") else {
      throw .formatUnavailable(
        format: "PDF", needs: "the program pdftotext; install poppler-utils")
    }
    let tool = ExternalTool(
      path: path, arguments: ["-enc", "UTF-8", "-eol", "unix", "/dev/stdin", "-"])
    let result = try run(tool, source.bytes, context.limits.tool)
    guard result.status == 0 else { throw refusal(result) }
    try context.charge(bytes: result.output.count)
    // pdftotext replaces what a PDF's fonts don't explain; it never writes anything but UTF-8.
    var text = String(decoding: result.output, as: UTF8.self)
    if text.hasSuffix("\u{0C}") { text.removeLast() }
    guard text.contains(where: { !$0.isWhitespace }) else {
      throw .invalidRequest(
        field: "body",
        message: "the PDF holds no text; pages that are pictures need optical recognition first")
    }
    return [source.document(text, format: "pdf")]
  }

  private static func run(_ tool: ExternalTool, _ input: [UInt8], _ limits: ToolLimits)
    throws(DocumentError) -> ExternalTool.Result
  {
    do throws(ExternalToolError) {
      return try tool.run(input: input, limits)
    } catch {
      switch error {
      case .tooSlow:
        throw .invalidRequest(
          field: "body", message: "the PDF can't be read within \(limits.seconds) seconds")
      case .tooMuchOutput:
        throw .documentTooLarge(
          message: "the PDF's text has more than \(limits.outputByteCount >> 20) MiB")
      case .notStarted(let reason):
        throw .formatUnavailable(
          format: "PDF", needs: "the program pdftotext, which can't be started: \(reason)")
      }
    }
  }

  private static func refusal(_ result: ExternalTool.Result) -> DocumentError {
    let errors = String(decoding: result.errors, as: UTF8.self)
    if errors.contains("password") {
      return .invalidRequest(
        field: "body", message: "the PDF is locked by a password; save it without one")
    }
    let reason = errors.split(whereSeparator: \.isNewline).first.map { ": \($0)" } ?? ""
    return .invalidRequest(
      field: "body", message: "pdftotext can't read it (status \(result.status))\(reason)")
  }
}

// Tokens to statements: the tags of the language and their bodies (jinja2/parser.py).
// Relies on TemplateLexer for balanced tags. Refuses unknown tags, template inheritance and
// imports, recursive loops, loop controls outside of loops, and nesting beyond fixed depths.

struct Parser {
  private let tokens: [Token]
  private var index = 0
  /// Expressions being parsed inside one another.
  var expressionNesting = 0
  private var statementNesting = 0
  private var loopNesting = 0
  /// Every name that has been read so far, for what macros mention.
  var mentionedNames: [String] = []

  init(tokens: [Token]) { self.tokens = tokens }

  mutating func parseTemplate() throws(JinjaError) -> [Statement] {
    try parseBody(until: [])
  }

  // MARK: Tokens

  var current: Token { tokens[index] }
  var line: Int { current.line }

  /// The token after the current one.
  var following: Token { tokens[min(index + 1, tokens.count - 1)] }

  /// The last token is never passed, so that there always is a current one.
  mutating func advance() { index = min(index + 1, tokens.count - 1) }

  func isAt(_ symbol: Symbol) -> Bool { current.kind == .symbol(symbol) }
  func isAt(name: String) -> Bool { current.kind == .name(name) }

  mutating func skip(_ symbol: Symbol) -> Bool {
    guard isAt(symbol) else { return false }
    advance()
    return true
  }

  mutating func skip(name: String) -> Bool {
    guard isAt(name: name) else { return false }
    advance()
    return true
  }

  mutating func expect(_ symbol: Symbol) throws(JinjaError) {
    guard skip(symbol) else { throw unexpected(expecting: "'\(symbol.rawValue)'") }
  }

  mutating func expect(name: String) throws(JinjaError) {
    guard skip(name: name) else { throw unexpected(expecting: "'\(name)'") }
  }

  mutating func expectName() throws(JinjaError) -> String {
    guard case .name(let name) = current.kind else { throw unexpected(expecting: "a name") }
    advance()
    return name
  }

  func unexpected(expecting expected: String) -> JinjaError {
    .syntax("expected \(expected), found \(current.summary)", line: line)
  }

  // MARK: Bodies

  /// Statements up to one of the tags, which becomes the current token.
  private mutating func parseBody(until endTags: [String]) throws(JinjaError) -> [Statement] {
    guard statementNesting < Statement.maximumDepth else {
      throw .syntax("blocks are nested deeper than \(Statement.maximumDepth) levels", line: line)
    }
    statementNesting += 1
    defer { statementNesting -= 1 }
    var body: [Statement] = []
    while true {
      let line = line
      switch current.kind {
      case .text(let text):
        advance()
        body.append(Statement(node: .text(text), line: line))
      case .variableBegin:
        advance()
        let expression = try parseTuple()
        guard current.kind == .variableEnd else { throw unexpected(expecting: "'}}'") }
        advance()
        body.append(Statement(node: .output(expression), line: line))
      case .blockBegin:
        advance()
        if case .name(let tag) = current.kind {
          if endTags.contains(tag) { return body }
          if !endTags.isEmpty, Self.closesBlock(tag) { throw unexpected(endOf: endTags) }
        }
        body.append(contentsOf: try parseStatement())
        try expectBlockEnd()
      default:
        guard endTags.isEmpty else { throw unexpected(endOf: endTags) }
        return body
      }
    }
  }

  private static func closesBlock(_ tag: String) -> Bool {
    tag == "else" || tag == "elif" || tag.utf8.starts(with: "end".utf8)
  }

  private func unexpected(endOf endTags: [String]) -> JinjaError {
    unexpected(expecting: endTags.map { "'\($0)'" }.joined(separator: " or "))
  }

  private mutating func expectBlockEnd() throws(JinjaError) {
    guard current.kind == .blockEnd else { throw unexpected(expecting: "'%}'") }
    advance()
  }

  /// The rest of a tag, its body, and the name of the tag that ends it.
  private mutating func parseBlock(until endTags: String...) throws(JinjaError) -> [Statement] {
    // Jinja2 allows a colon there, as in Python.
    _ = skip(.colon)
    try expectBlockEnd()
    return try parseBody(until: endTags)
  }

  /// A body that becomes a function of its own, which loop controls cannot leave.
  private mutating func parseFunctionBlock(until endTag: String) throws(JinjaError) -> [Statement] {
    let outerLoops = loopNesting
    loopNesting = 0
    defer { loopNesting = outerLoops }
    let body = try parseBlock(until: endTag)
    try expect(name: endTag)
    return body
  }

  // MARK: Statements

  private mutating func parseStatement() throws(JinjaError) -> [Statement] {
    let line = line
    let tag = try expectName()
    let node: Statement.Node
    switch tag {
    case "if": node = try parseConditional()
    case "for": node = try parseLoop()
    case "set": node = try parseSet()
    case "macro": node = try parseMacro()
    case "call": node = try parseCallBlock()
    case "filter": node = try parseFilterBlock()
    case "with": node = try parseWith()
    case "generation": node = .generation(try parseFunctionBlock(until: "endgeneration"))
    case "print": return try parsePrint(line: line)
    case "break", "continue":
      guard loopNesting > 0 else { throw .syntax("'\(tag)' outside of a loop", line: line) }
      node = tag == "break" ? .breakLoop : .continueLoop
    case "include", "import", "from", "extends", "block", "autoescape":
      throw .syntax("'\(tag)' is not supported: a chat template is one file", line: line)
    default: throw .syntax("unknown tag '\(tag)'", line: line)
    }
    return [Statement(node: node, line: line)]
  }

  private mutating func parseConditional() throws(JinjaError) -> Statement.Node {
    var branches: [Statement.Branch] = []
    while true {
      let test = try parseTuple(withConditional: false)
      let body = try parseBlock(until: "elif", "else", "endif")
      branches.append(Statement.Branch(test: test, body: body))
      if skip(name: "elif") { continue }
      if skip(name: "endif") { return .conditional(branches, otherwise: []) }
      try expect(name: "else")
      let otherwise = try parseBlock(until: "endif")
      try expect(name: "endif")
      return .conditional(branches, otherwise: otherwise)
    }
  }

  private mutating func parseLoop() throws(JinjaError) -> Statement.Node {
    let target = try parseTarget(endingAt: "in")
    try expect(name: "in")
    let iterable = try parseTuple(withConditional: false, endingAt: "recursive")
    let test = skip(name: "if") ? try parseExpression() : nil
    guard !isAt(name: "recursive") else {
      throw .syntax("recursive loops are not supported: use a macro", line: line)
    }
    loopNesting += 1
    let body = try parseBlock(until: "endfor", "else")
    loopNesting -= 1
    var otherwise: [Statement] = []
    if skip(name: "else") { otherwise = try parseBlock(until: "endfor") }
    try expect(name: "endfor")
    return .loop(
      Statement.Loop(
        target: target, iterable: iterable, test: test, body: body, otherwise: otherwise))
  }

  private mutating func parseSet() throws(JinjaError) -> Statement.Node {
    let target = try parseTarget(withNamespace: true)
    if skip(.assign) { return .set(target, try parseTuple()) }
    var filters: [FilterCall] = []
    while skip(.pipe) { filters.append(try parseFilterCall()) }
    let body = try parseBlock(until: "endset")
    try expect(name: "endset")
    return .setBlock(target, filters, body)
  }

  private mutating func parseMacro() throws(JinjaError) -> Statement.Node {
    let name = try expectName()
    let firstName = mentionedNames.count
    let parameters = try parseParameters()
    let body = try parseFunctionBlock(until: "endmacro")
    return .macro(
      macro(name: name, parameters: parameters, body: body, mentioned: mentionedNames[firstName...])
    )
  }

  private mutating func parseCallBlock() throws(JinjaError) -> Statement.Node {
    let line = line
    let parameters = isAt(.openParenthesis) ? try parseParameters() : []
    let call = try parseExpression()
    guard case .call = call.node else { throw .syntax("'call' needs a call", line: line) }
    let firstName = mentionedNames.count
    let body = try parseFunctionBlock(until: "endcall")
    let caller = macro(
      name: "caller", parameters: parameters, body: body, mentioned: mentionedNames[firstName...])
    return .callBlock(call: call, caller: caller)
  }

  private func macro(
    name: String, parameters: [MacroDefinition.Parameter], body: [Statement],
    mentioned: ArraySlice<String>
  ) -> MacroDefinition {
    MacroDefinition(
      name: name, parameters: parameters, body: body, usesCaller: mentioned.contains("caller"),
      usesVarargs: mentioned.contains("varargs"), usesKwargs: mentioned.contains("kwargs"))
  }

  private mutating func parseParameters() throws(JinjaError) -> [MacroDefinition.Parameter] {
    try expect(.openParenthesis)
    var parameters: [MacroDefinition.Parameter] = []
    while !isAt(.closeParenthesis) {
      if !parameters.isEmpty { try expect(.comma) }
      let line = line
      let name = try expectName()
      let value = skip(.assign) ? try parseExpression() : nil
      if value == nil, parameters.last?.defaultValue != nil {
        throw .syntax("a parameter without default follows one with a default", line: line)
      }
      parameters.append(MacroDefinition.Parameter(name: name, defaultValue: value))
    }
    try expect(.closeParenthesis)
    return parameters
  }

  private mutating func parseFilterBlock() throws(JinjaError) -> Statement.Node {
    var filters = [try parseFilterCall()]
    while skip(.pipe) { filters.append(try parseFilterCall()) }
    let body = try parseBlock(until: "endfilter")
    try expect(name: "endfilter")
    return .filterBlock(filters, body)
  }

  private mutating func parseWith() throws(JinjaError) -> Statement.Node {
    var bindings: [Statement.Binding] = []
    while current.kind != .blockEnd {
      if !bindings.isEmpty { try expect(.comma) }
      let target = try parseTarget()
      try expect(.assign)
      bindings.append(Statement.Binding(target: target, value: try parseExpression()))
    }
    let body = try parseBlock(until: "endwith")
    try expect(name: "endwith")
    return .with(bindings, body)
  }

  private mutating func parsePrint(line: Int) throws(JinjaError) -> [Statement] {
    var statements: [Statement] = []
    while current.kind != .blockEnd {
      if !statements.isEmpty { try expect(.comma) }
      statements.append(Statement(node: .output(try parseExpression()), line: line))
    }
    return statements
  }
}

// A compiled template of the language that chat templates are written in: Jinja2 as transformers
// sets it up (trim_blocks, lstrip_blocks, loop controls, generation blocks, immutable sandbox).
// Renders JSON values only; refuses include, import, extends and blocks, and whatever would take
// more than JinjaLimits. Never touches files, the environment or anything but the clock.

package import JSON

package struct JinjaTemplate: Sendable {
  private let body: [Statement]

  /// Parses the template; errors name the line.
  package init(_ source: String) throws(JinjaError) {
    let tokens = try TemplateLexer(source).tokens()
    var parser = Parser(tokens: tokens)
    body = try parser.parseTemplate()
  }

  /// The text for a context of variables; `clock` is what `strftime_now` reads.
  package func render(
    _ context: JSONObject, limits: JinjaLimits = .default, clock: JinjaClock = .system
  ) throws(JinjaError) -> String {
    let interpreter = Interpreter(limits: limits, clock: clock)
    defer { interpreter.releaseCycles() }
    return try interpreter.render(body, context: context)
  }
}

/// What a rendering may use before it ends with JinjaError.limit.
package struct JinjaLimits: Sendable {
  /// Evaluated expressions and statements, copied items, and bytes of text by the 64.
  package var steps: Int
  /// Bytes of the output and of any text on the way to it.
  package var outputBytes: Int
  /// Elements of any one list or dictionary.
  package var items: Int
  /// Expressions, statements and macro calls inside one another; 400 of them fit half a megabyte
  /// of stack where the code is optimised, and 4 MiB where it is not.
  package var depth: Int

  package init(
    steps: Int = 20_000_000, outputBytes: Int = 64 << 20, items: Int = 1_000_000, depth: Int = 400
  ) {
    self.steps = steps
    self.outputBytes = outputBytes
    self.items = items
    self.depth = depth
  }

  package static let `default` = JinjaLimits()
}

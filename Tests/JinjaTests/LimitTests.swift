// Templates that would run forever, fill the memory or exhaust the stack end with an error.

import JSON
import Jinja
import Testing

@Suite struct LimitTests {
  private static let small = JinjaLimits(
    steps: 20_000, outputBytes: 10_000, items: 1_000, depth: 400)

  private func isLimit(_ error: any Error) -> Bool {
    if case .limit? = error as? JinjaError { true } else { false }
  }

  static let greedy = [
    // Time.
    "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(30) }}",
    "{% for a in range(900) %}{% set x = range(900)|list %}{% endfor %}",
    // Text.
    "{% for a in range(900) %}{{ 'x' * 100 }}{% endfor %}",
    "{{ 'x' * 1000000000000 }}", "{{ 1000000000000 * 'x' }}",
    "{% set ns = namespace(x='ab') %}{% for a in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for a in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for a in range(64) %}"
      + "{% set ns.x = ns.x|replace('', ns.x) %}{% endfor %}",
    "{% set ns = namespace(x='ab') %}{% for a in range(64) %}"
      + "{% set ns.x = ns.x.join([ns.x, ns.x, ns.x]) %}{% endfor %}",
    "{{ 'x'.ljust(1000000000000) }}", "{{ 'x'.zfill(1000000000000) }}",
    "{{ 'x'|center(1000000000000) }}", "{{ '%1000000000000d' % 5 }}", "{{ '%1000000000000s' % 5 }}",
    "{{ '{:1000000000000}'.format(5) }}", "{{ 'x\n' * 4000|indent(1000000) }}",
    "{{ ('x\n' * 4000)|indent(1000) }}", "{{ ['x' * 9000, 'y' * 9000]|join }}",
    "{{ ['x' * 9000, 'y' * 9000] }}", "{{ ['x' * 9000, 'y' * 9000]|tojson }}",
    "{{ strftime_now('%c' * 4000) }}",
    // Items.
    "{{ [0] * 1000000000000 }}", "{{ 1000000000000 * [0] }}", "{{ (0,) * 1000000000000 }}",
    "{% set ns = namespace(x=[0]) %}{% for a in range(64) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{{ ('x' * 9000)|list }}", "{{ 'x '.__len__ }}{{ ('x ' * 4000).split() }}",
    "{{ [1]|batch(100000, 0)|list }}", "{{ [1]|slice(100000)|list }}", "{{ range(1000000000) }}",
    // Depth.
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{{ caller }}{% endmacro %}"
      + "{% call f() %}{% endcall %}",
    "{% set ns = namespace(x=[]) %}{% for a in range(900) %}{% set ns.x = [ns.x] %}{% endfor %}",
    "{% set ns = namespace(x={}) %}{% for a in range(900) %}{% set ns.x = {'a': ns.x} %}{% endfor %}",
  ]

  @Test(arguments: greedy) func ends(_ template: String) throws {
    let template = try JinjaTemplate(template)
    #expect { try template.render([:], limits: Self.small) } throws: { isLimit($0) }
  }

  @Test func allowsWhatConversationsNeed() throws {
    let template = try JinjaTemplate(
      "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' + m.content|trim }}\n{% endfor %}")
    let message: JSONValue = [
      "role": "user", "content": .string(String(repeating: "é ", count: 1000)),
    ]
    let output = try template.render(["messages": .array(Array(repeating: message, count: 2000))])
    #expect(output.utf8.count == 2000 * 3008)
  }

  private static func nested(_ open: String, _ close: String) -> String {
    String(repeating: open, count: 50_000) + "x" + String(repeating: close, count: 50_000)
  }

  static let deep = [
    "{{ " + nested("(", ")") + " }}",
    "{{ " + nested("[", "]") + " }}",
    "{{ " + nested("{1:", "}") + " }}",
    "{{ " + String(repeating: "-", count: 100_000) + "1 }}",
    "{{ " + String(repeating: "not ", count: 100_000) + "1 }}",
    "{{ 1" + String(repeating: " + 1", count: 100_000) + " }}",
    "{{ 1" + String(repeating: " ** 1", count: 100_000) + " }}",
    "{{ x" + String(repeating: ".x", count: 100_000) + " }}",
    "{{ x" + String(repeating: "[0]", count: 100_000) + " }}",
    "{{ x" + String(repeating: "()", count: 100_000) + " }}",
    "{{ x" + String(repeating: "|trim", count: 100_000) + " }}",
    "{{ x" + String(repeating: " is odd", count: 100_000) + " }}",
    "{{ 1" + String(repeating: " if 1 else 1", count: 50_000) + " }}",
    "{{ 1" + String(repeating: " if 1", count: 100_000) + " }}",
    "{{ " + nested("f(", ")") + " }}", "{{ " + nested("x[", "]") + " }}",
    "{{ " + nested("x|d(", ")") + " }}", "{{ x is in " + nested("(", ")") + " }}",
    "{% set " + nested("(", ")") + " = 1 %}",
    String(repeating: "{% if 1 %}", count: 50_000),
    String(repeating: "{% for x in y %}", count: 50_000),
    String(repeating: "{% macro f() %}", count: 50_000),
    String(repeating: " ", count: 2 << 20),
  ]

  @Test(arguments: deep.indices) func refusesDeepSyntax(_ index: Int) {
    #expect { try JinjaTemplate(Self.deep[index]) } throws: {
      if case .syntax? = $0 as? JinjaError { true } else { false }
    }
  }

  @Test func joinsAnyNumberOfPieces() throws {
    let template = try JinjaTemplate("{{ 'a'" + String(repeating: " ~ 'b'", count: 20_000) + " }}")
    #expect(try template.render([:]).utf8.count == 20_001)
  }

  /// The deepest that is allowed must fit the stack of any thread.
  @Test func walksTheDeepestTrees() throws {
    let nested = String(repeating: "[", count: 45) + String(repeating: "]", count: 45)
    #expect(try JinjaTemplate("{{ \(nested) }}").render([:]) == nested)
    let macro = "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}x{% endmacro %}{{ f(40) }}"
    #expect(try JinjaTemplate(macro).render([:]).utf8.count == 41)
  }

  @Test func searchesInLinearTime() throws {
    let text = String(repeating: "a", count: 1 << 20)
    let part = String(repeating: "a", count: 1 << 19) + "b"
    let template = try JinjaTemplate(
      "{{ part in text }}{{ text.find(part) }}{{ text.count(part) }}")
    #expect(try template.render(["text": .string(text), "part": .string(part)]) == "False-10")
  }
}

// What errors say: their kind, the line of the template and the name of what was missing.

import JSON
import Jinja
import Testing

@Suite struct ErrorTests {
  private func failure(_ template: String, _ context: JSONObject = [:]) -> JinjaError? {
    do {
      _ = try JinjaTemplate(template).render(context)
      return nil
    } catch {
      return error
    }
  }

  static let messages: [(template: String, description: String)] = [
    ("{{ a.b }}", "chat template, line 1: 'a' is undefined"),
    ("\n\n{{ x.a.b }}", "chat template, line 3: 'dict object' has no attribute 'a'"),
    ("{{ x[0].b }}", "chat template, line 1: dict object has no element 0"),
    ("{{ l[5].b }}", "chat template, line 1: list object has no element 5"),
    (
      "{{ l.append(1) }}",
      "chat template, line 1: access to attribute 'append' of 'list' object is unsafe"
    ),
    (
      "a\n{% if x %}\n{{ 'a' + 1 }}\n{% endif %}",
      "chat template, line 3: unsupported operand type(s) for +: 'str' and 'int'"
    ),
    ("\n{{ x|nope }}", "chat template, line 2: no filter named 'nope'"),
    ("{{ x is nope }}", "chat template, line 1: no test named 'nope'"),
    ("{{ none|length }}", "chat template, line 1: length: object of type 'NoneType' has no len()"),
    ("{{ 'a'.split('') }}", "chat template, line 1: split(): empty separator"),
    (
      "{% include 'a' %}",
      "chat template, line 1: 'include' is not supported: a chat template is one file"
    ),
    (
      "{% for x in l %}\n{% endif %}",
      "chat template, line 2: expected 'endfor' or 'else', found 'endif'"
    ),
    (
      "{% if x %}\n",
      "chat template, line 1: expected 'elif' or 'else' or 'endif', found the end of the template"
    ),
    ("{{ x y }}", "chat template, line 1: expected '}}', found 'y'"),
    ("{% nope %}", "chat template, line 1: unknown tag 'nope'"),
    ("x\n{{ 'abc", "chat template, line 2: a string is not closed"),
    ("x\n{# abc", "chat template, line 2: a comment is not closed"),
    (
      "{{ raise_exception('Only users, please.') }}",
      "the chat template refused the input: Only users, please."
    ),
  ]

  @Test(arguments: messages) func says(_ template: String, _ description: String) {
    let context: JSONObject = ["x": ["k": 1], "l": [1]]
    // Unknown end tags are reported as what they are found instead of.
    #expect(failure(template, context)?.description == description)
  }

  @Test func keepsTheTemplatesOwnRefusalsApart() {
    guard case .raised("no", line: 2) = failure("\n{{ raise_exception('no') }}") else {
      Issue.record("a refusal must be .raised")
      return
    }
  }

  @Test func keepsTheClockStill() throws {
    let template = try JinjaTemplate("{{ strftime_now('%Y-%m-%d %H:%M') }}")
    let clock = JinjaClock { (seconds: 0, offset: 3600) }
    #expect(try template.render([:], clock: clock) == "1970-01-01 01:00")
    #expect(try template.render([:]).utf8.count == 16)
  }

  @Test func comparesNamesAndTextsByCodePoints() throws {
    let template = try JinjaTemplate(
      "{{ a == b }}{{ {a: 1}[b] is defined }}{{ a|length }}{{ b|length }}")
    #expect(try template.render(["a": "\u{e9}", "b": "e\u{301}"]) == "FalseFalse12")
  }

  @Test func forgetsEverythingBetweenRenderings() throws {
    let template = try JinjaTemplate(
      "{% set ns = namespace(n=0) %}{% set ns.me = ns %}{% set ns.n = ns.n + 1 %}"
        + "{% macro f() %}{{ ns.n }}{% endmacro %}{{ f() }}{{ x is defined }}{% set x = 1 %}")
    for _ in 0..<3 { #expect(try template.render([:]) == "1False") }
  }
}

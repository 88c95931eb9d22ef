// Every fixture that scripts/fixtures/jinja.py made with transformers' own Jinja2 environment:
// the same characters out, an error where Jinja2 has an error.

import JSON
import Jinja
import Testing

@Suite struct GoldenTests {
  /// The moment at which the fixtures' clock stands: 2024-07-26 15:04:05 UTC.
  static let clock = JinjaClock.fixed(seconds: 1_722_006_245)

  private func render(_ template: String, _ context: JSONObject) throws(JinjaError) -> String {
    try JinjaTemplate(template).render(context, clock: Self.clock)
  }

  @Test func rendersFeaturesAsJinja2() throws {
    let cases = try #require(try Fixture.load("features.json").array)
    #expect(cases.count > 150)
    for item in cases {
      let template = try #require(item["template"]?.string)
      do {
        let output = try render(template, item["context"]?.object ?? [:])
        #expect(
          item["output"]?.string?.hasSameBytes(as: output) == true, differs(template, item, output))
      } catch {
        Issue.record("\(template): \(error)")
      }
    }
  }

  @Test func refusesWhatJinja2Refuses() throws {
    let cases = try #require(try Fixture.load("failures.json").array)
    #expect(cases.count > 150)
    for item in cases {
      let template = try #require(item["template"]?.string)
      do {
        let output = try render(template, item["context"]?.object ?? [:])
        Issue.record("\(template) renders \(output)")
      } catch {
        if let message = item["raised"]?.string {
          guard case .raised(message, _) = error else {
            Issue.record("\(template): \(error) instead of \(message)")
            continue
          }
        }
        if item["syntax"]?.bool == true {
          guard case .syntax = error else {
            Issue.record("\(template): \(error) instead of a syntax error")
            continue
          }
        }
        #expect(error.line > 0, "\(template): \(error)")
      }
    }
  }

  @Test func rendersConversationsAsJinja2() throws {
    let fixture = try Fixture.load("conversations.json")
    let cases = try #require(fixture["cases"]?.array)
    #expect(cases.count > 250)
    for item in cases {
      let name = try #require(item["template"]?.string)
      let conversation = try #require(item["conversation"]?.string)
      let template = try #require(fixture["templates"]?[name]?.string)
      var context: JSONObject = ["bos_token": "<s>", "eos_token": "</s>"]
      for (name, value) in fixture["conversations"]?[conversation]?.object ?? [:] {
        context[name] = value
      }
      let title = "\(name), \(conversation)"
      do {
        let output = try render(template, context)
        #expect(
          item["output"]?.string?.hasSameBytes(as: output) == true, differs(title, item, output))
      } catch {
        guard let expected = item["error"]?.string else {
          Issue.record("\(title): \(error)")
          continue
        }
        if case .raised(let message, _) = error { #expect(message == expected) }
      }
    }
  }

  private func differs(_ title: String, _ item: JSONValue, _ output: String) -> Comment {
    let expected = item["output"] ?? .null
    return "\(title)\nexpected: \(expected)\nrendered: \(JSONValue.string(output))"
  }
}

extension String {
  /// Strings that are only canonically equivalent are not the same here.
  func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}

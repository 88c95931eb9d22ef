// Which modules an adapter's configuration means, against peft's own decisions.

import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct AdapterSelectionTests {
  @Test func modulesAreThoseThatPeftTakes() throws {
    let golden = try Fixtures.json("adapters/selections.json")
    let modules = try #require(golden["modules"]?.array).compactMap(\.string)
    let cases = try #require(golden["cases"]?.array)
    #expect(modules.count == 18 && cases.count == 18)
    for golden in cases {
      let settings = try #require(golden["config"]?.object)
      let selection = try ModuleSelection(ConfigurationFile(path: "config", root: settings))
      let taken = modules.filter { selection.contains($0, isHidden: true) }
      #expect(taken == golden["taken"]?.array?.compactMap(\.string), "\(golden["config"] ?? .null)")
    }
  }

  @Test func allLinearLeavesOutTheEnds() throws {
    let selection = try ModuleSelection(
      ConfigurationFile(path: "config", root: ["target_modules": "all-linear"]))
    #expect(selection.contains("model.layers.0.mlp.up_proj", isHidden: true))
    #expect(!selection.contains("lm_head", isHidden: false))
  }

  /// A pattern that backtracks without end matches nothing.
  @Test func patternsHaveALimit() throws {
    let pattern = try ModulePattern("(a+)+b")
    #expect(!pattern.matches(String(repeating: "a", count: 200)))
    #expect(pattern.matches("aab"))
  }
}

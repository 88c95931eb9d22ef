// Finds and reads the files of Tests/Fixtures/jinja.

import FoundationEssentials
import JSON

enum Fixture {
  static func load(_ name: String) throws -> JSONValue {
    let fixtures = URL(filePath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent()
      .appending(components: "Fixtures", "jinja", name)
    return try JSONValue(parsing: Array(Data(contentsOf: fixtures)))
  }
}

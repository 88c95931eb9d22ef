// Where the golden files are and how they read. scripts/fixtures/tokenizers_golden.py makes them.

import FoundationEssentials
import JSON
import Testing

@testable import Tokenizers

enum Fixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  static func path(_ name: String) -> String {
    root.appending(path: "Tests/Fixtures/tokenizers/\(name)").path(percentEncoded: false)
  }

  static func json(_ name: String) throws -> JSONValue {
    try JSONValue(parsing: readFile(path(name)))
  }

  static func strings() throws -> [String] {
    try #require(try json("strings.json").array).map { try #require($0.string) }
  }
}

extension JSONValue {
  /// Token ids.
  var ids: [Int32]? { array?.compactMap { $0.int.map(Int32.init) } }
}

/// Fails with the first few mismatches and says how many there are.
func expectEqual<T: Equatable>(
  _ pairs: [(label: String, actual: T, expected: T)], _ title: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(!pairs.isEmpty, "nothing was compared", sourceLocation: sourceLocation)
  let wrong = pairs.filter { $0.actual != $0.expected }
  let shown = wrong.prefix(5).map { "\($0.label.debugDescription): \($0.actual) != \($0.expected)" }
  #expect(
    wrong.isEmpty, "\(title): \(wrong.count) of \(pairs.count) differ: \(shown)",
    sourceLocation: sourceLocation)
}

/// A directory with these files; the caller removes it.
func temporaryDirectory(_ files: [String: String]) throws -> String {
  let directory = FileManager.default.temporaryDirectory
    .appending(path: "martlet-tokenizers-\(UUID())").path(percentEncoded: false)
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  for (name, text) in files {
    try Data(text.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
  }
  return directory
}

// Patterns of paths.

import Testing

@testable import martlet

@Suite struct GlobPatternTests {
  @Test(arguments: [
    ("*.md", "a.md", true), ("*.md", "deep/er/a.md", true), ("*.md", "a.md.txt", false),
    ("docs/*.md", "docs/a.md", true), ("docs/*.md", "docs/b/a.md", false),
    ("docs/*.md", "x/docs/a.md", false), ("/docs/*.md", "docs/a.md", true),
    ("docs/**", "docs/b/a.md", true), ("**/a.md", "a.md", true), ("**/a.md", "x/y/a.md", true),
    ("docs/**/a.md", "docs/a.md", true), ("docs/**/a.md", "docs/x/y/a.md", true),
    ("drafts", "x/drafts", true), ("drafts", "x/drafts2", false),
    ("?.txt", "a.txt", true), ("?.txt", "ab.txt", false), ("笔?.txt", "x/笔记.txt", true),
    ("[a-c]?.txt", "b1.txt", true), ("[!a-c]*", "b1.txt", false), ("[]x]", "]", true),
    ("[ab", "[ab", true), ("", "a", false), ("**", "a/b", true),
  ]) func patterns(pattern: String, path: String, expected: Bool) {
    #expect(GlobPattern(pattern).matches(path) == expected)
  }

  /// Stars upon stars cost their product, not their power.
  @Test func manyStarsAreNoTrap() {
    let pattern = String(repeating: "*a", count: 30) + "b"
    #expect(!GlobPattern(pattern).matches(String(repeating: "a", count: 300)))
  }
}

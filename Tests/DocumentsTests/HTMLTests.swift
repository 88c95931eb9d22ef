// What of a page is text, and how its structure shows in it.

import Testing

@testable import Documents

@Suite struct HTMLTests {
  private func text(_ html: String) throws -> String { try HTMLText(html).text }

  @Test(arguments: [
    ("<p>One</p><p>Two</p>", "One\n\nTwo"),
    ("<div>One<div>Two</div>Three</div>", "One\n\nTwo\n\nThree"),
    ("a <b>bold</b>,\n <i>italic</i>  word", "a bold, italic word"),
    ("one<br>two<br/>\n three", "one\ntwo\nthree"),
    ("<h2>Head\n line</h2>text", "## Head line\n\ntext"),
    ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>", "- a\n- b\n  - c\n- d"),
    (
      "<ol start=3><li><p>three</p><p>more</p></li><li>four</li></ol>",
      "3. three\n\nmore\n\n4. four"
    ),
    ("<table><tr><th>k<th>v<tr><td>a<td>b<br>c</table>", "| k | v |\n| a | b c |"),
    ("<table><tr><td><p>a</p><p>b</p></td><td><ul><li>c</ul></td></tr></table>", "| a b | c |"),
    ("<pre>\n  a\n\n    b\n</pre>", "```\n  a\n\n    b\n```"),
    ("<pre>```</pre>", "````\n```\n````"),
    ("<p>中文\n换行</p><p>ab\ncd</p><p>中\nab</p>", "中文换行\n\nab cd\n\n中 ab"),
    ("&lt;p&gt; &amp;amp; &nbsp;x&#x4e2d;&hellip;", "<p> &amp; \u{A0}x中…"),
    ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字", "漢字"),
    ("<img alt='A bird' src=x> flies", "A bird flies"),
    ("a<script>x</script><style>y</style><!-- z --><nav>n</nav><noscript>m</noscript>b", "ab"),
    (
      "<p hidden>a<p aria-hidden=true>b<p style='display: none'>c<div role=navigation>d</div>e", "e"
    ),
    ("<svg><title>Icon</title></svg>x", "x"), ("", ""), ("   ", ""), ("<p", ""),
    ("plain & simple", "plain & simple"), ("a\0b", "a\u{FFFD}b"),
  ]) func blocks(html: String, expected: String) throws {
    #expect(try text(html) == expected)
  }

  @Test func tablesThatArrangeAPageAreParagraphs() throws {
    let page = """
      <table><tr><td>Left</td><td>Before<table><tr><td>k</td><td>v</td></tr></table>After</td></tr>
      <tr><td><h1>News</h1>Text</td></tr></table>
      """
    #expect(
      try text(page) == "| Left |\n\nBefore\n\n| k | v |\n\nAfter\n\n# News\n\nText")
  }

  @Test func titlesHeadPagesWithoutOne() throws {
    let page = try HTMLText("<title> A\n title </title><p>Text")
    #expect(page.title == "A title")
    #expect(page.text == "# A title\n\nText")
    #expect(try text("<title>A</title><h1>B</h1>Text") == "# B\n\nText")
  }

  @Test func charsetsOfPages() {
    func charset(_ html: String) -> String? { HTMLExtractor.declaredCharset(Array(html.utf8)) }
    #expect(charset("<meta charset=gbk>") == "gbk")
    #expect(
      charset("<META http-equiv='Content-Type' content=\"text/html; charset = 'Big5'\">") == "big5")
    #expect(charset("<?xml version='1.0' encoding='Shift_JIS'?>") == "shift_jis")
    #expect(charset("<meta charset=utf-16>") == nil)
    #expect(charset("<p>no charset") == nil)
  }

  @Test func markupBeyondMemoryIsRefused() {
    let page = String(repeating: "<b>", count: 2_000_001)
    #expect(refusal { _ = try HTMLText(page) }?.code == "document_too_large")
  }

  /// Deeper than any recursion, and than libxml2's own limit.
  @Test func deepPagesAreReadWhole() throws {
    for element in ["div", "b", "ul><li", "table><tr><td"] {
      let page = String(repeating: "<\(element)>", count: 20_000) + "deep"
      #expect(try text(page).contains("deep"), "\(element)")
    }
  }
}

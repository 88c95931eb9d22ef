// JSONDocument and JSONNode: the tape reader sees what JSONValue sees, and more of the names.

import JSON
import Testing

@Suite struct DocumentTests {
  private func root(_ text: String) throws -> JSONNode {
    try JSONDocument(parsing: Array(text.utf8)).root
  }

  @Test func walksMembersAndElementsInOrder() throws {
    let root = try root(#"{"vocab":{"a":0,"\u00e9":[1,[2],{}],"a":3},"last":true}"#)
    var names: [String] = []
    root["vocab"]?.forEachMember { name, node in names.append("\(name)=\(node.value)") }
    #expect(names == ["a=0", "é=[1,[2],{}]", "a=3"])
    #expect(root["vocab"]?.count == 3)
    #expect(root["vocab"]?["a"]?.int == 3)
    #expect(root["vocab"]?["é"]?[1]?[0]?.int == 2)
    #expect(root["last"]?.bool == true)
    var kinds: [JSONNode.Kind] = []
    root["vocab"]?["é"]?.forEachElement { kinds.append($0.kind) }
    #expect(kinds == [.number, .array, .object])
  }

  @Test func isAnEmptyObjectByItself() throws {
    let root = JSONDocument().root
    #expect(root.kind == .object && root.count == 0 && root["a"] == nil)
    #expect(try root.value == self.root("{}").value)
  }

  @Test func comparesNamesByteByByte() throws {
    let root = try root("{\"\u{e9}\":1,\"e\u{301}\":2}")
    #expect(root.count == 2)
    #expect(root["\u{e9}"]?.int == 1)
    #expect(root["e\u{301}"]?.int == 2)
    #expect(root.member("\u{e9}")?.int == 2, "as in JSONValue")
    #expect(try self.root("{\"\u{212a}\":1}").member("K")?.int == 1)
    #expect(try self.root(#"{"a\u0062\"":1}"#).member("ab\"")?.int == 1)
    #expect(root.member("e") == nil)
    var names: [[UInt8]] = []
    root.forEachMember { name, _ in names.append(Array(name.utf8)) }
    #expect(names == [[0xC3, 0xA9], [0x65, 0xCC, 0x81]])
  }

  @Test func answersNilForOtherKinds() throws {
    let root = try root(#"[null, 1, 2.5, "x", true, 3.0]"#)
    #expect(root[0]?.isNull == true)
    #expect(root[1]?.string == nil)
    #expect(root[2]?.int == nil)
    #expect(root[2]?.double == 2.5)
    #expect(root[3]?.bool == nil)
    #expect(root[3]?.count == 0)
    #expect(root[5]?.int == 3)
    #expect(root[6] == nil)
    #expect(root[-1] == nil)
    #expect(root["x"] == nil)
    root.forEachMember { _, _ in Issue.record("an array has no members") }
    root[3]?.forEachElement { _ in Issue.record("a string has no elements") }
  }

  @Test func placesErrorsOfItsUsers() throws {
    let node = try root("{\n \"a\": [1,\n  \"x\"]}")["a"]?[1]
    #expect(node?.error("not a number").description == "not a number at line 3, column 4")
  }

  @Test func passesErrorsOfTheBodyOn() throws {
    struct Stop: Error {}
    let root = try root("[1,2]")
    #expect(throws: Stop.self) { try root.forEachElement { _ in throw Stop() } }
  }

  /// A vocabulary of the size of a real one; a reader with quadratic steps would not end.
  @Test func readsBigDocuments() throws {
    var text = "{\"vocab\":{"
    for index in 0..<100_000 { text += "\"token\(index)\":\(index)," }
    text += "\"last\":-1},\"merges\":["
    for index in 0..<100_000 { text += "[\"a\(index)\",\"b\"]," }
    text += "[]]}"
    let root = try root(text)
    var sum = 0
    root["vocab"]?.forEachMember { _, node in sum += node.int ?? 0 }
    #expect(sum == 4_999_949_999)
    var pairs = 0
    root["merges"]?.forEachElement { pairs += $0.count }
    #expect(pairs == 200_000)
  }
}

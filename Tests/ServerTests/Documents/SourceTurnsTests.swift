// One upload of a source at a time.

import Testing

@testable import Server

@Suite struct SourceTurnsTests {
  @Test func aSourceIsReplacedByOneAtATime() throws {
    let turns = SourceTurns()
    var turn: SourceTurns.Turn? = try turns.take("a.csv", in: "c")
    let refusal = #expect(throws: APIError.self) { try turns.take("a.csv", in: "c") }
    #expect(refusal?.status == 409 && refusal?.code == "source_in_use")
    let others = try [turns.take("b.csv", in: "c"), turns.take("a.csv", in: "d")]
    #expect(others.map(\.source) == ["b.csv", "a.csv"])
    turn = nil
    let again = try turns.take("a.csv", in: "c")
    again.end()
    again.end()
    turn = try turns.take("a.csv", in: "c")
    #expect(turn?.source == "a.csv")
  }
}

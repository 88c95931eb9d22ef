// Tokens to text deltas: joined they are the whole text, stop strings never show, and each token
// comes with the delta that completes its text.

import Inference
import Testing

/// Maps each id to a fixed string; bytes of incomplete characters wait for the rest.
struct FakeDecoder: TokenDecoder {
  let pieces: [[UInt8]]
  private var held: [UInt8] = []

  init(_ pieces: [String]) { self.pieces = pieces.map { Array($0.utf8) } }
  init(bytes: [[UInt8]]) { pieces = bytes }

  mutating func append(_ id: Int32) -> String {
    held += pieces[Int(id)]
    guard let text = String(validating: held, as: UTF8.self) else { return "" }
    held = []
    return text
  }

  mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}

@Suite struct TextAssemblerTests {
  private func run(
    _ decoder: FakeDecoder, _ ids: [Int32], stops: [String] = []
  ) -> (deltas: [TextDelta], stop: String?) {
    var assembler = TextAssembler(decoder: decoder, stops: stops)
    var deltas: [TextDelta] = []
    for id in ids where assembler.matchedStop == nil {
      if let delta = assembler.append(GeneratedToken(id: id)) { deltas.append(delta) }
    }
    if let delta = assembler.finish() { deltas.append(delta) }
    return (deltas, assembler.matchedStop)
  }

  private func ids(_ delta: TextDelta) -> [Int32] { delta.tokens.map(\.token.id) }

  @Test func everyTokenWithTextIsADelta() {
    let (deltas, stop) = run(FakeDecoder(["Hello", ",", " world"]), [0, 1, 2])
    #expect(deltas.map(\.text) == ["Hello", ",", " world"])
    #expect(deltas.map(ids) == [[0], [1], [2]])
    #expect(deltas.map { $0.tokens[0].textOffset } == [0, 5, 6])
    #expect(stop == nil)
  }

  @Test func tokensOfOneCharacterComeTogether() {
    let bytes = Array("🙂".utf8)
    let decoder = FakeDecoder(bytes: bytes.map { [$0] } + [[0x61]])
    let (deltas, _) = run(decoder, [4, 0, 1, 2, 3, 4])
    #expect(deltas.map(\.text) == ["a", "🙂", "a"])
    #expect(deltas.map(ids) == [[4], [0, 1, 2, 3], [4]])
    #expect(deltas[2].tokens[0].textOffset == 2)
  }

  @Test func anIncompleteCharacterComesAtTheEnd() {
    let decoder = FakeDecoder(bytes: [[0x61], [0xF0, 0x9F]])
    let (deltas, _) = run(decoder, [0, 1])
    #expect(deltas.map(\.text) == ["a", "\u{FFFD}"])
    #expect(deltas.map(ids) == [[0], [1]])
  }

  @Test func tokensOfAStopStringAreLeftOut() {
    let decoder = FakeDecoder(["one", " ST", "OP", " two"])
    let (deltas, stop) = run(decoder, [0, 1, 2, 3], stops: [" STOP"])
    #expect(deltas.map(\.text) == ["one"])
    #expect(deltas.map(ids) == [[0]])
    #expect(stop == " STOP")
  }

  @Test func aTokenThatRunsIntoAStopStringIsKept() {
    let decoder = FakeDecoder(["one##", "# two"])
    let (deltas, stop) = run(decoder, [0, 1], stops: ["###"])
    #expect(deltas.map(\.text).joined() == "one")
    #expect(deltas.flatMap(ids) == [0])
    #expect(stop == "###")
  }

  @Test func heldBackTextComesWithItsTokensOnceItIsNoStop() {
    let decoder = FakeDecoder(["a<", "b", "<", "<"])
    let (deltas, stop) = run(decoder, [0, 1, 2, 3], stops: ["<end>"])
    #expect(deltas.map(\.text) == ["a", "<b", "<", "<"])
    #expect(deltas.map(ids) == [[], [0, 1], [2], [3]])
    #expect(stop == nil)
  }

  @Test func aStopStringInTheLastBytesCounts() {
    let decoder = FakeDecoder(bytes: [[0x61], [0xFF]])
    let (deltas, stop) = run(decoder, [0, 1], stops: ["\u{FFFD}"])
    #expect(deltas.map(\.text) == ["a"])
    #expect(stop == "\u{FFFD}")
  }

  @Test func everyTokenIsDeliveredOnceInOrderWhateverTheTokens() {
    var source = RandomSource(seed: 17)
    let decoder = FakeDecoder(
      bytes: ["a", "ab", "b", "", "é", "#"].map { Array($0.utf8) } + [[0xE4], [0xBD], [0xA0]])
    for _ in 0..<500 {
      let tokens = (0..<20).map { _ in Int32.random(in: 0...8, using: &source) }
      let (deltas, _) = run(decoder, tokens)
      var reference = decoder
      let text = tokens.map { reference.append($0) }.joined() + reference.finish()
      #expect(deltas.map(\.text).joined() == text)
      #expect(deltas.flatMap(ids) == tokens)
      let (stopped, stop) = run(decoder, tokens, stops: ["ba", "#"])
      let shown = stopped.map(\.text).joined()
      #expect(text.utf8.starts(with: shown.utf8))
      #expect(!shown.contains("#") && !shown.contains("ba"))
      #expect(tokens.starts(with: stopped.flatMap(ids)))
      #expect((stop == nil) == (shown.utf8.count == text.utf8.count))
    }
  }
}

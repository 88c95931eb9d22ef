// Documents with bytes changed, cut, doubled and put in at random: the parser must refuse or
// accept them without crashing, and what it accepts must survive writing and reading.

import Fuzzing
import JSON
import Testing

@Suite struct FuzzTests {
  static let seeds = [
    #"{"model":"m","messages":[{"role":"user","content":"h\u00e9llo \ud83d\ude00"}],"n":1}"#,
    #"[1,-2.5e+10,true,false,null,"\"\\\/\b\f\n\r\t",{"a":{"b":[[],{}]}},[[[[1]]]]]"#,
    "{\"é東😀\":[0.1,1E5,-0,123456789012345678901234567890]}",
  ]
  static let alphabet: [UInt8] =
    Array("{}[]\",:\\u0123456789eE+-.truefalsnd \n\u{1}".utf8) + [
      0x80, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF,
    ]

  @Test func survivesMutatedDocuments() throws {
    var random = SplitMix(seed: FuzzRun.seed(42))
    let rounds = FuzzRun.rounds(30_000)
    var accepted = 0
    for round in 0..<rounds {
      let seed = Array(Self.seeds[round % Self.seeds.count].utf8)
      let bytes = mutate(seed, &random)
      do {
        let value = try JSONValue(parsing: bytes)
        accepted += 1
        #expect(try JSONValue(parsing: value.serialized()) == value)
      } catch {
        #expect(error.offset <= bytes.count && error.line >= 1 && error.column >= 1)
      }
    }
    // Neither all refused nor all accepted, or nothing was tested.
    #expect((rounds / 300..<rounds * 299 / 300).contains(accepted))
  }

  private func mutate(_ seed: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    var bytes = seed
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
      let place = Int.random(in: 0..<bytes.count, using: &random)
      let byte = Self.alphabet.randomElement(using: &random) ?? 0
      switch Int.random(in: 0..<5, using: &random) {
      case 0: bytes[place] = byte
      case 1: bytes.insert(byte, at: place)
      case 2: bytes.remove(at: place)
      case 3: bytes.removeSubrange(place...)
      default:
        let end = min(bytes.count, place + Int.random(in: 1...20, using: &random))
        bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...place, using: &random))
      }
    }
    return bytes
  }
}

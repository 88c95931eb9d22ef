// Damaged tokenizer files of every form, made by a seeded mutator: each is refused with an error or makes
// a tokenizer that encodes and decodes without a crash.

import FoundationEssentials
import JSON
import Testing

@testable import Tokenizers

@Suite struct FuzzTests {
  private static let texts = [
    "", " ", "The small bird, 123 times: don't.", "\n\r\n\t<s></s> \u{2581}\u{2581}",
    "e\u{301} 你好 👩‍👩‍👧",
    String(repeating: "ab ", count: 50), "\u{0}\u{200B}<0x0A><unk>",
  ]

  /// SplitMix64: the same mutations on every run.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var value = state
      value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
      value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
      return value ^ value >> 31
    }
  }

  private func mutated(_ bytes: [UInt8], _ generator: inout Generator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
      let index = Int.random(in: 0..<bytes.count, using: &generator)
      let end = min(bytes.count, index + Int.random(in: 1...12, using: &generator))
      switch Int.random(in: 0..<6, using: &generator) {
      case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
      case 1: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &generator)
      case 2: bytes.removeSubrange(index..<end)
      case 3: bytes.insert(contentsOf: bytes[index..<end], at: index)
      case 4: bytes.insert(contentsOf: Array("99999999999".utf8), at: index)
      default:
        let other = Int.random(in: 0..<bytes.count, using: &generator)
        bytes.swapAt(index, other)
      }
    }
    return bytes
  }

  private func exercise(_ tokenizer: Tokenizer) {
    for text in Self.texts {
      let ids = tokenizer.encode(text, addSpecialTokens: true)
      _ = tokenizer.decode(ids, skipSpecialTokens: false)
      _ = tokenizer.encode(text, addSpecialTokens: false, parseSpecialTokens: false)
    }
    _ = tokenizer.decode([-1, 0, 1, 2, 3, .max])
  }

  @Test func componentFiles() throws {
    var generator = Generator(state: 1)
    var accepted = 0
    for part in 0...1 {
      for item in try #require(try Fixtures.json("components-\(part).json")["cases"]?.array) {
        let bytes = try #require(item["tokenizer"]).serialized()
        for _ in 0..<20 {
          guard let tokenizer = try? Tokenizer(json: mutated(bytes, &generator)) else { continue }
          accepted += 1
          exercise(tokenizer)
        }
      }
    }
    #expect(accepted > 10, "the mutations hardly leave anything that loads")
  }

  @Test(arguments: GoldenTests.kinds) func wholeFiles(kind: String) throws {
    var generator = Generator(state: 2)
    let bytes = try readFile("\(Fixtures.path(kind))/tokenizer.json")
    for _ in 0..<30 {
      guard let tokenizer = try? Tokenizer(json: mutated(bytes, &generator)) else { continue }
      exercise(tokenizer)
    }
  }

  @Test(arguments: ["spm-unigram", "spm-bpe"]) func sentencePieceModels(kind: String) throws {
    var generator = Generator(state: 3)
    let bytes = try readFile("\(Fixtures.path(kind))/tokenizer.model")
    let directory = try temporaryDirectory([:])
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var accepted = 0
    for _ in 0..<150 {
      try Data(mutated(bytes, &generator)).write(to: URL(filePath: "\(directory)/tokenizer.model"))
      guard let tokenizer = try? Tokenizer(directory: directory) else { continue }
      accepted += 1
      exercise(tokenizer)
    }
    for count in stride(from: 0, to: min(bytes.count, 3000), by: 37) {
      _ = try? SentencePieceModel(Array(bytes[..<count]), file: "")
    }
    #expect(accepted > 10)
  }

  /// Character maps of random bytes: every index out of bounds is possible.
  @Test func characterMaps() {
    var generator = Generator(state: 4)
    for _ in 0..<2000 {
      let unitCount = Int.random(in: 1...64, using: &generator)
      var blob = withUnsafeBytes(of: UInt32(unitCount * 4).littleEndian) { Array($0) }
      for _ in 0..<unitCount {
        // Small offsets, so that walks stay inside for a while.
        let unit = UInt32.random(in: 0...UInt32.max, using: &generator) & 0x8000_FFFF
        blob += withUnsafeBytes(of: unit.littleEndian) { Array($0) }
      }
      blob += (0..<20).map { _ in UInt8.random(in: 0...127, using: &generator) }
      guard let map = CharacterMap(blob) else { continue }
      for text in Self.texts where !text.isEmpty {
        let bytes = Array(text.utf8)
        _ = map.replaceGraphemes(in: bytes)
        _ = map.replaceLongest(in: bytes, bytes.indices)
      }
    }
  }
}

// Bytes to text: what is certain is decoded, what is not is refused.

import Fuzzing
import JSON
import Testing

@testable import Documents

@Suite struct EncodingTests {
  /// A text with each character's bytes, as Python encodes them.
  struct Sample {
    let charset: String
    let text: String
    let bytes: [[UInt8]]

    static func all() throws -> [Sample] {
      let file = try JSONValue(parsing: DocumentFileTests.bytes("encodings.json"))
      return try #require(file.array).map { sample in
        Sample(
          charset: try #require(sample["charset"]?.string),
          text: try #require(sample["text"]?.string),
          bytes: try #require(sample["bytes"]?.array).map { bytes in
            bytes.array?.compactMap { $0.int.map { UInt8($0) } } ?? []
          })
      }
    }
  }

  @Test func encodingsAreRecognized() throws {
    let samples = try Sample.all()
    #expect(samples.count == 6)
    for sample in samples {
      let bytes = sample.bytes.flatMap { $0 }
      #expect(String(validating: bytes, as: UTF8.self) == nil)
      #expect(EncodingGuess(bytes).charset?.name == sample.charset)
      #expect(try TextDecoding.decode(bytes) == sample.text)
      // Among English.
      let mixed = Array("The model finds passages. ".utf8) + bytes + Array(" It cites them.".utf8)
      let expected = "The model finds passages. " + sample.text + " It cites them."
      #expect(try TextDecoding.decode(mixed) == expected)
    }
  }

  /// Whatever a part is taken for, it is taken for what it is or refused.
  @Test func shortTextsAreNeverGarbled() throws {
    var decodedCount = 0
    for sample in try Sample.all() {
      let scalars = Array(sample.text.unicodeScalars)
      for start in stride(from: 0, to: scalars.count, by: 2) {
        for length in [1, 2, 3, 5, 8, 12, 20, 32] where start + length <= scalars.count {
          let bytes = sample.bytes[start..<start + length].flatMap { $0 }
          // A character or two may be valid UTF-8 by chance, which always comes first.
          guard String(validating: bytes, as: UTF8.self) == nil,
            let decoded = try? TextDecoding.decode(bytes)
          else { continue }
          let expected = String(String.UnicodeScalarView(scalars[start..<start + length]))
          #expect(decoded == expected, "\(sample.charset)")
          decodedCount += 1
        }
      }
    }
    #expect(decodedCount > 200)
  }

  @Test func declaredCharsetsAreFollowed() throws {
    let russian: [UInt8] = [0xCF, 0xF0, 0xE8, 0xE2, 0xE5, 0xF2, 0x2C, 0x20, 0xEC, 0xE8, 0xF0]
    #expect(refusal { _ = try TextDecoding.decode(russian) } != nil)
    #expect(try TextDecoding.decode(russian, charset: "Windows-1251") == "Привет, мир")
    #expect(try TextDecoding.decode([0xCE, 0xC4], charset: "gb2312") == "文")
    #expect(try TextDecoding.decode([0xE9], charset: "iso-8859-1") == "é")
    // What is valid UTF-8 is UTF-8, whatever was declared.
    #expect(try TextDecoding.decode(Array("é文".utf8), charset: "gbk") == "é文")
    #expect(
      try TextDecoding.decode(Array("\u{1B}$B4A;z\u{1B}(B".utf8), charset: "iso-2022-jp") == "漢字")
    #expect(Charset(label: "no-such-charset") == nil)
    #expect(Charset(label: "utf-8//IGNORE") == nil)
  }

  @Test func byteOrderMarksDecide() throws {
    #expect(try TextDecoding.decode([0xEF, 0xBB, 0xBF, 0x61]) == "a")
    #expect(try TextDecoding.decode([0xFF, 0xFE, 0x61, 0x00, 0x2D, 0x4E]) == "a中")
    #expect(try TextDecoding.decode([0xFE, 0xFF, 0x00, 0x61, 0x4E, 0x2D]) == "a中")
    #expect(try TextDecoding.decode([0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0]) == "a")
    #expect(try TextDecoding.decode([0x84, 0x31, 0x95, 0x33, 0xD6, 0xD0]) == "中")
    #expect(refusal { _ = try TextDecoding.decode([0xFF, 0xFE, 0x61]) } != nil)
    let unmarked = "Lines without a mark.\r\n".utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
    #expect(try TextDecoding.decode(unmarked).utf8.count == unmarked.count)
  }

  @Test(
    arguments: [
      ([0x61, 0xFF, 0x62], 1), ([0xC3], 0), ([0x61, 0xE4, 0xBD], 1), ([0xED, 0xA0, 0x80], 0),
      ([0xEF, 0xBB, 0xBF, 0x61, 0x80], 4), ([0xC0, 0xAF], 0),
    ] as [([UInt8], Int)]) func invalidBytesAreNamed(bytes: [UInt8], offset: Int) throws
  {
    let error = try #require(refusal { _ = try TextDecoding.decode(bytes) })
    #expect("\(error)".contains("byte offset \(offset) "))
  }

  @Test func randomBytesAreRefused() {
    var random = SeededRandom(seed: 11)
    var refused = 0
    for _ in 0..<200 {
      let bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
      if (try? TextDecoding.decode(bytes)) == nil { refused += 1 }
    }
    #expect(refused == 200)
  }
}

// Random damage to headers and configurations, the same in every run: whatever comes of it is a
// model or a ModelError, never a crash.

import Foundation
import Fuzzing
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct LoaderFuzzTests {
  private static let words = [
    "0", "-1", "1", "2", "9223372036854775807", "1e308", "1e999", "null", "true", "[]", "{}",
    "\"\"",
    "F16", "BF16", "I64", "F4", "data_offsets", "\\u0000", "\\ud800", ",", ":", "]", "}", "\"",
  ].map { Array($0.utf8) }

  /// One to four damages to bytes in a range: flipped, removed, repeated, overwritten by a word.
  private func mutate(_ bytes: [UInt8], in range: Range<Int>, _ random: inout SplitMix) -> [UInt8] {
    var result = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let end = min(range.upperBound, result.count)
      guard end > range.lowerBound else { break }
      let at = Int.random(in: range.lowerBound..<end, using: &random)
      switch Int.random(in: 0..<5, using: &random) {
      case 0: result[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: result.removeSubrange(at..<min(end, at + Int.random(in: 1...12, using: &random)))
      case 2: result.insert(contentsOf: result[at..<min(end, at + 20)], at: at)
      case 3: result.insert(contentsOf: Self.words.randomElement(using: &random) ?? [], at: at)
      default:
        let word = Self.words.randomElement(using: &random) ?? []
        result.replaceSubrange(at..<min(end, at + word.count), with: word)
      }
    }
    return result
  }

  /// Replaces a number of the text by another one, which stays within JSON and reaches deeper.
  private func mutateNumber(_ bytes: [UInt8], _ random: inout SplitMix) -> [UInt8] {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let starts = bytes.indices.filter {
      digits.contains(bytes[$0]) && ($0 == 0 || !digits.contains(bytes[$0 - 1]))
    }
    guard let start = starts.randomElement(using: &random) else { return bytes }
    let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.endIndex
    let number = [0, 1, 2, 3, 8, 63, 65, 1 << 20, 1 << 40, Int.max, -1].randomElement(
      using: &random)
    var result = bytes
    result.replaceSubrange(start..<end, with: Array("\(number ?? 0)".utf8))
    return result
  }

  @Test func damagedHeadersNeverCrash() throws {
    let directory = try ModelDirectory(copyOf: "bert-mean")
    let sound = try directory.read("model.safetensors")
    let length = Int(sound[0]) | Int(sound[1]) << 8
    var random = SplitMix(state: FuzzRun.seed(1))
    var refused = 0
    for round in 0..<FuzzRun.rounds(600) {
      var bytes = sound
      if round % 2 == 0 {
        bytes = mutate(sound, in: 0..<8 + length, &random)
      } else {
        let header = mutateNumber(Array(sound[8..<8 + length]), &random)
        let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) }
        bytes = prefix + header + sound[(8 + length)...]
      }
      if try SafetensorsHeader.refusal(of: bytes) != nil { refused += 1 }
    }
    #expect(refused > 400)
  }

  @Test func damagedConfigurationsNeverCrash() throws {
    let directory = try ModelDirectory(copyOf: "llama-rope-llama3")
    let sound = try directory.read("config.json")
    var random = SplitMix(state: FuzzRun.seed(2))
    var refused = 0
    for round in 0..<FuzzRun.rounds(300) {
      let bytes =
        round % 2 == 0
        ? mutate(sound, in: 0..<sound.count, &random) : mutateNumber(sound, &random)
      try directory.write("config.json", bytes)
      if directory.loadError() != nil { refused += 1 }
    }
    #expect(refused > 100)
  }

  @Test func damagedAdaptersNeverCrash() throws {
    let model = try AdapterFixtures.base()
    var random = SplitMix(state: FuzzRun.seed(4))
    for name in ["lora", "lora-selected", "dora", "ia3", "prefix"] {
      let directory = try ModelDirectory(copyOfPath: AdapterFixtures.path(name))
      for file in ["adapter_config.json", "adapter_model.safetensors"] {
        let sound = try directory.read(file)
        let isHeader = file.hasSuffix(".safetensors")
        let length = isHeader ? Int(sound[0]) | Int(sound[1]) << 8 : sound.count
        var refused = 0
        for round in 0..<FuzzRun.rounds(40) {
          var bytes = sound
          if round % 2 == 0 {
            bytes = mutate(sound, in: isHeader ? 0..<8 + length : 0..<length, &random)
          } else if isHeader {
            let header = mutateNumber(Array(sound[8..<8 + length]), &random)
            let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) }
            bytes = prefix + header + sound[(8 + length)...]
          } else {
            bytes = mutateNumber(sound, &random)
          }
          try directory.write(file, bytes)
          do throws(ModelError) {
            let adapter = try model.loadAdapter(directory: directory.path)
            _ = try? model.logits(of: [1, 2, 3], with: adapter)
          } catch {
            refused += 1
          }
        }
        try directory.write(file, sound)
        #expect(refused > 3, "\(name) \(file)")
      }
    }
  }

  @Test func damagedEncoderFilesNeverCrash() throws {
    var random = SplitMix(state: FuzzRun.seed(3))
    for name in [
      "config.json", "modules.json", "sentence_bert_config.json", "1_Pooling/config.json",
    ] {
      let directory = try ModelDirectory(copyOf: "bert-max")
      let sound = try directory.read(name)
      var refused = 0
      for round in 0..<FuzzRun.rounds(60) {
        let bytes =
          round % 2 == 0
          ? mutate(sound, in: 0..<sound.count, &random) : mutateNumber(sound, &random)
        try directory.write(name, bytes)
        if directory.encoderError() != nil { refused += 1 }
      }
      #expect(refused > 10, "\(name)")
    }
  }
}

// The safetensors reader against every kind of damage: each is refused with the file, the tensor
// and what to do, and sound files are read in full.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

@Suite struct SafetensorsTests {
  /// A file of that header and so many data bytes.
  private func file(_ header: String, dataBytes: Int = 0, length: UInt64? = nil) -> [UInt8] {
    let length = length ?? UInt64(header.utf8.count)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
    return prefix + Array(header.utf8) + [UInt8](repeating: 0, count: dataBytes)
  }

  private func reason(_ bytes: [UInt8]) throws -> String? {
    guard let error = try SafetensorsHeader.refusal(of: bytes) else { return nil }
    guard case .malformedCheckpoint("weights", let reason) = error else { return "\(error)" }
    return reason
  }

  private func tensor(
    _ dtype: String = "F32", _ shape: String = "[2]", _ offsets: String = "[0,8]"
  ) -> String {
    #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
  }

  @Test func soundHeadersAreRead() throws {
    let header = """
      {"__metadata__":{"format":"pt"},"b":\(tensor("BF16", "[2,3]", "[8,20]")),"a":\(tensor()),
      "none":\(tensor("I64", "[0]", "[8,8]")),"one":\(tensor("U8", "[]", "[20,21]"))}
      """
    let bytes = file(header, dataBytes: 21)
    let parsed = try bytes.withUnsafeBytes { bytes in
      try SafetensorsHeader(of: bytes, path: "weights")
    }
    let start = 8 + header.utf8.count
    #expect(parsed.entries.count == 4)
    #expect(
      parsed.entries["b"]
        == .init(elementType: .bfloat16, shape: [2, 3], bytes: start + 8..<start + 20))
    #expect(parsed.entries["one"]?.shape == [])
    #expect(try reason(file("{}")) == nil)
  }

  @Test(arguments: [
    ("", "fewer than the 8"), ("1234567", "fewer than the 8"),
  ])
  func shortFilesAreRefused(text: String, expected: String) throws {
    #expect(try #require(try reason(Array(text.utf8))).contains(expected))
  }

  @Test(arguments: [
    (UInt64.max, "beyond the format's limit"), (UInt64(Int64.max), "beyond the format's limit"),
    (100_000_001, "beyond the format's limit"), (3, "runs past the file's end"),
    (99_999_999, "runs past the file's end"), (0, "does not begin with an object"),
    (1, "does not begin with an object"),
  ])
  func headerLengthsAreChecked(length: UInt64, expected: String) throws {
    #expect(try #require(try reason(file("{}", length: length))).contains(expected))
  }

  @Test(arguments: [
    ("[]", "does not begin with an object"), ("{\"a\":", "is not JSON"), ("{} {}", "is not JSON"),
    ("{\"a\":3}", "entry a of its header is not an object"),
    ("{\"__metadata__\":3}", "__metadata__"),
    ("{\"a\":{\"shape\":[],\"data_offsets\":[0,0]}}", "has no dtype"),
    ("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,0]}}", "has no shape"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[0]}}", "has no data_offsets"),
  ])
  func brokenHeadersAreRefused(header: String, expected: String) throws {
    #expect(try #require(try reason(file(header, dataBytes: 8))).contains(expected))
  }

  @Test(arguments: [
    ("F99", "[2]", "[0,8]", "unknown dtype F99"),
    ("F32", "[3]", "[0,8]", "takes 12 bytes, but data_offsets give it 8"),
    ("F16", "[2]", "[0,8]", "takes 4 bytes"),
    ("F32", "[-2]", "[0,8]", "natural numbers"), ("F32", "[2.5]", "[0,8]", "natural numbers"),
    ("F32", "[\"2\"]", "[0,8]", "natural numbers"),
    ("F32", "[4294967296,4294967296,4294967296]", "[0,8]", "too large"),
    ("F32", "[9223372036854775807]", "[0,8]", "too large"),
    ("F4", "[3]", "[0,1]", "no whole bytes"),
    ("F32", "[2]", "[0]", "are not in"), ("F32", "[2]", "[0,4,8]", "are not in"),
    ("F32", "[2]", "[8,0]", "are not in"), ("F32", "[2]", "[4,12]", "are not in"),
    ("F32", "[2]", "[9223372036854775800,9223372036854775807]", "are not in"),
    ("F32", "[2]", "[0,99999999999999999999]", "natural numbers"),
    ("F32", "[2]", "[-8,0]", "natural numbers"),
    ("F32", "[1]", "[0,4]", "4 bytes follow the last tensor"),
    ("F32", "[1]", "[4,8]", "4 bytes before tensor a"),
  ])
  func brokenTensorsAreRefused(dtype: String, shape: String, offsets: String, expected: String)
    throws
  {
    let header = "{\"a\":\(tensor(dtype, shape, offsets))}"
    let found = try #require(try reason(file(header, dataBytes: 8)))
    #expect(found.contains(expected), "\(found)")
  }

  @Test func overlapsAndRepeatsAreRefused() throws {
    let overlap =
      "{\"a\":\(tensor("F32", "[2]", "[0,8]")),\"b\":\(tensor("F32", "[2]", "[4,12]"))}"
    #expect(try #require(try reason(file(overlap, dataBytes: 12))).contains("tensor b overlap"))
    let same = "{\"a\":\(tensor()),\"b\":\(tensor())}"
    #expect(try #require(try reason(file(same, dataBytes: 8))).contains("tensor b overlap"))
    let twice = "{\"a\":\(tensor()),\"a\":\(tensor())}"
    #expect(try #require(try reason(file(twice, dataBytes: 8))).contains("listed twice"))
  }

  @Test func valuesAreConvertedAtAnyAddress() throws {
    // A header of odd length leaves all data at odd addresses.
    let header =
      #"{"h":\#(tensor("F16", "[3]", "[0,6]")),"b":\#(tensor("BF16", "[3]", "[6,12]")),"#
      + #""f":\#(tensor("F32", "[2]", "[12,20]"))}"#
    let padded = header + String(repeating: " ", count: 1 - header.utf8.count % 2)
    #expect((8 + padded.utf8.count) % 2 == 1)
    let halves: [UInt16] = [0x3C00, 0xC100, 0x0001]
    let brains: [UInt16] = [0x3F80, 0xC020, 0x7F80]
    let floats: [UInt32] = [Float.pi.bitPattern, Float(-0.0).bitPattern]
    let data =
      (halves + brains).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
      + floats.flatMap { v in (0..<4).map { UInt8(truncatingIfNeeded: v >> ($0 * 8)) } }
    let directory = try ModelDirectory(copyOf: "bert-mean")
    try directory.write("model.safetensors", file(padded) + data)
    let checkpoint = try Checkpoint(directory: directory.path)
    let values = try [("h", 3), ("b", 3), ("f", 2)].map {
      try checkpoint.tensor($0.0, shape: [$0.1]).values()
    }
    #expect(values == [[1, -2.5, 0x1p-24], [1, -2.5, .infinity], [.pi, -0.0]])
  }

  @Test func truncatedFilesAreRefusedAtAnyLength() throws {
    let directory = try ModelDirectory(copyOf: "llama-mha-untied")
    let whole = try directory.read("model.safetensors")
    for length in [1, 7, 8, 9, 100, 1000, whole.count / 2, whole.count - 1] {
      try directory.write("model.safetensors", Array(whole[..<length]))
      let error = try #require(directory.loadError())
      #expect("\(error)".contains("model.safetensors: not a sound checkpoint"))
    }
    try directory.write("model.safetensors", [])
    #expect(try #require(directory.loadError()).description.contains("it is empty"))
    try directory.write("model.safetensors", whole + [0])
    #expect(try #require(directory.loadError()).description.contains("1 bytes follow"))
  }
}

extension SafetensorsHeader {
  /// The error that a file's header gives; nil for a sound one.
  static func refusal(of bytes: [UInt8]) throws -> ModelError? {
    do {
      _ = try bytes.withUnsafeBytes { try SafetensorsHeader(of: $0, path: "weights") }
      return nil
    } catch let error as ModelError {
      return error
    }
  }
}

// An encoding by the name that iconv knows it by. Labels of the web mean what browsers take them for
// (WHATWG Encoding Standard): "gb2312" is GB18030, "iso-8859-1" is windows-1252. Decoding is strict:
// one byte that doesn't fit and there is no text.

import Glibc

struct Charset: Sendable, Hashable {
  let name: String

  static let utf8 = Charset(name: "UTF-8")

  private init(name: String) { self.name = name }

  /// nil where iconv doesn't know it.
  init?(label: String) {
    let label = label.lowercased().filter { !" \t\"'".contains($0) }
    let name = Self.meanings[label] ?? label.uppercased()
    // What iconv takes for options, such as //IGNORE, is no part of a name.
    guard !label.isEmpty,
      name.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || "-_.:+".utf8.contains($0) })
    else { return nil }
    let converter = iconv_open("UTF-8", name)
    guard converter != Self.failure else { return nil }
    iconv_close(converter)
    self.name = name
  }

  /// Longest first: UTF-32's mark begins like UTF-16's.
  static let marks: [([UInt8], Charset)] = [
    ([0xFF, 0xFE, 0, 0], Charset(name: "UTF-32LE")),
    ([0, 0, 0xFE, 0xFF], Charset(name: "UTF-32BE")),
    ([0xEF, 0xBB, 0xBF], utf8), ([0xFF, 0xFE], Charset(name: "UTF-16LE")),
    ([0xFE, 0xFF], Charset(name: "UTF-16BE")),
    ([0x84, 0x31, 0x95, 0x33], Charset(name: "GB18030")),
  ]

  static let gb18030 = Charset(name: "GB18030")
  static let big5 = Charset(name: "BIG5-HKSCS")
  static let shiftJIS = Charset(name: "CP932")
  static let japaneseEUC = Charset(name: "EUC-JP-MS")
  static let koreanEUC = Charset(name: "CP949")
  static let windows1252 = Charset(name: "CP1252")

  private static let meanings: [String: String] = [
    "gb2312": "GB18030", "gbk": "GB18030", "gb_2312-80": "GB18030", "x-gbk": "GB18030",
    "cp936": "GB18030", "gb18030": "GB18030",
    "big5": "BIG5-HKSCS", "big5-hkscs": "BIG5-HKSCS", "cn-big5": "BIG5-HKSCS",
    "x-x-big5": "BIG5-HKSCS",
    "shift_jis": "CP932", "shift-jis": "CP932", "sjis": "CP932", "x-sjis": "CP932",
    "windows-31j": "CP932", "ms_kanji": "CP932",
    "euc-jp": "EUC-JP-MS", "x-euc-jp": "EUC-JP-MS",
    "euc-kr": "CP949", "ks_c_5601-1987": "CP949", "ksc5601": "CP949", "windows-949": "CP949",
    "iso-8859-1": "CP1252", "iso8859-1": "CP1252", "latin1": "CP1252", "latin-1": "CP1252",
    "ascii": "CP1252", "us-ascii": "CP1252", "windows-1252": "CP1252", "cp1252": "CP1252",
    "iso-8859-9": "CP1254", "tis-620": "CP874", "utf8": "UTF-8", "utf-16": "UTF-16LE",
    "unicode": "UTF-16LE", "hz-gb-2312": "HZ",
  ]

  /// Whether it writes more than ASCII without a byte above 127.
  var isSevenBit: Bool { name.hasPrefix("ISO-2022") || name == "HZ" || name == "UTF-7" }

  /// UTF-16 as Windows programs write it without a mark: of the first bytes, every second one is
  /// nearly always zero, because spaces, digits and line ends are common in every script's text.
  static func utf16WithoutMark(_ bytes: [UInt8]) -> Charset? {
    guard bytes.count >= 8, bytes.count.isMultiple(of: 2) else { return nil }
    let sample = bytes.prefix(4096)
    var zeros = [0, 0]
    for (index, byte) in sample.enumerated() where byte == 0 { zeros[index & 1] += 1 }
    let pairs = sample.count / 2
    if zeros[1] * 10 >= pairs * 7, zeros[0] == 0 { return Charset(name: "UTF-16LE") }
    if zeros[0] * 10 >= pairs * 7, zeros[1] == 0 { return Charset(name: "UTF-16BE") }
    return nil
  }

  // MARK: Decoding

  /// iconv_open's (iconv_t)-1.
  private static var failure: iconv_t? { iconv_t(bitPattern: -1) }

  /// The text, without a byte order mark; nil where a byte doesn't belong to this encoding.
  func decode(_ bytes: [UInt8]) -> String? {
    if self == .utf8 { return String(validating: bytes, as: UTF8.self) }
    guard let converter = iconv_open("UTF-8", name), converter != Self.failure else { return nil }
    defer { iconv_close(converter) }
    var input = bytes.map { CChar(bitPattern: $0) }
    var output: [UInt8] = []
    var window = [CChar](repeating: 0, count: 1 << 16)
    let isComplete = input.withUnsafeMutableBufferPointer { input in
      var next = input.baseAddress
      var rest = input.count
      while rest > 0 {
        let (status, error) = Self.step(converter, &next, &rest, into: &window, &output)
        if status == -1, error != E2BIG { return false }
      }
      // Writes what a stateful encoding still holds back.
      var nothing: UnsafeMutablePointer<CChar>?
      var none = 0
      return Self.step(converter, &nothing, &none, into: &window, &output).status != -1
    }
    guard isComplete else { return nil }
    return String(validating: output, as: UTF8.self)
  }

  private static func step(
    _ converter: iconv_t, _ input: inout UnsafeMutablePointer<CChar>?, _ rest: inout Int,
    into window: inout [CChar], _ output: inout [UInt8]
  ) -> (status: Int, error: Int32) {
    window.withUnsafeMutableBufferPointer { window in
      var place = window.baseAddress
      var room = window.count
      let status = iconv(converter, &input, &rest, &place, &room)
      let error = errno
      output += window[..<(window.count - room)].map { UInt8(bitPattern: $0) }
      return (status, error)
    }
  }
}

extension UInt8 {
  var isASCIILetter: Bool { (0x61...0x7A).contains(self | 0x20) }
  var isASCIIDigit: Bool { (0x30...0x39).contains(self) }
}

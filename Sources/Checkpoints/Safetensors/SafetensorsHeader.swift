// The header of a safetensors file: eight bytes of length, then JSON that names each tensor's
// element type, shape and byte range. Relies on nothing in the file: lengths, types, shapes and
// ranges are all checked before any of it is used. Refuses what the format's own library refuses:
// ranges that overlap, leave holes, or don't end where the file ends.

import JSON

package struct SafetensorsHeader: Sendable {
  struct Entry: Sendable, Hashable {
    var elementType: ElementType
    var shape: [Int]
    /// Within the file.
    var bytes: Range<Int>
  }

  let entries: [String: Entry]

  /// All tensors of a file.
  package static func tensors(of file: MappedFile) throws(ModelError) -> [String: StoredTensor] {
    let header = try file.withBytes { (bytes) throws(ModelError) in
      try SafetensorsHeader(of: bytes, path: file.path)
    }
    return header.entries.mapValues {
      StoredTensor(file: file, elementType: $0.elementType, shape: $0.shape, bytes: $0.bytes)
    }
  }

  /// The format's own limit.
  static let maximumHeaderBytes = 100_000_000

  /// - Parameters:
  ///   - bytes: all of the file
  ///   - path: named in errors
  init(of bytes: UnsafeRawBufferPointer, path: String) throws(ModelError) {
    func refuse(_ reason: String) -> ModelError { .malformedCheckpoint(path: path, reason: reason) }
    guard bytes.count >= 8 else {
      throw refuse("it has \(bytes.count) bytes, fewer than the 8 of the header's length")
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(Self.maximumHeaderBytes) else {
      throw refuse("its header length of \(length) bytes is beyond the format's limit")
    }
    let dataStart = 8 + Int(length)
    guard dataStart <= bytes.count else {
      throw refuse("its header of \(length) bytes runs past the file's end (\(bytes.count) bytes)")
    }
    guard length >= 2, bytes[8] == UInt8(ascii: "{") else {
      throw refuse("its header does not begin with an object")
    }
    let document: JSONDocument
    do throws(JSONError) {
      document = try JSONDocument(parsing: Array(bytes[8..<dataStart]))
    } catch {
      throw refuse("its header is not JSON: \(error)")
    }
    var parser = EntryParser(path: path, data: dataStart..<bytes.count)
    try document.root.forEachMember { (name, node) throws(ModelError) in
      try parser.append(name: name, node: node)
    }
    try parser.checkCoverage()
    entries = parser.entries
  }
}

/// Reads one member of the header after the other.
private struct EntryParser {
  let path: String
  /// Where tensor data lie in the file.
  let data: Range<Int>
  var entries: [String: SafetensorsHeader.Entry] = [:]

  func refuse(_ reason: String) -> ModelError { .malformedCheckpoint(path: path, reason: reason) }

  mutating func append(name: String, node: JSONNode) throws(ModelError) {
    guard node.kind == .object else { throw refuse("entry \(name) of its header is not an object") }
    if name == "__metadata__" { return }
    guard let type = node["dtype"]?.string else { throw refuse("tensor \(name) has no dtype") }
    guard let elementType = ElementType(rawValue: type) else {
      throw refuse("tensor \(name) has the unknown dtype \(type)")
    }
    let shape = try integers(node["shape"], of: name, key: "shape")
    let offsets = try integers(node["data_offsets"], of: name, key: "data_offsets")
    guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= data.count else {
      throw refuse("data_offsets \(offsets) of tensor \(name) are not in \(data.count) data bytes")
    }
    guard let byteCount = byteCount(of: shape, elementType) else {
      throw refuse("tensor \(name) has the shape \(shape), which is too large or no whole bytes")
    }
    guard byteCount == offsets[1] - offsets[0] else {
      throw refuse(
        "tensor \(name) of \(type) \(shape) takes \(byteCount) bytes, but data_offsets give it "
          + "\(offsets[1] - offsets[0])")
    }
    let bytes = data.lowerBound + offsets[0]..<data.lowerBound + offsets[1]
    let entry = SafetensorsHeader.Entry(elementType: elementType, shape: shape, bytes: bytes)
    guard entries.updateValue(entry, forKey: name) == nil else {
      throw refuse("tensor \(name) is listed twice")
    }
  }

  private func integers(_ node: JSONNode?, of tensor: String, key: String) throws(ModelError)
    -> [Int]
  {
    guard let node, node.kind == .array else { throw refuse("tensor \(tensor) has no \(key)") }
    var result: [Int] = []
    try node.forEachElement { (element) throws(ModelError) in
      guard let value = element.int, value >= 0 else {
        throw refuse("\(key) of tensor \(tensor) holds something else than natural numbers")
      }
      result.append(value)
    }
    return result
  }

  private func byteCount(of shape: [Int], _ type: ElementType) -> Int? {
    var bits = type.bitCount
    for size in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: size)
      if overflow { return nil }
      bits = product
    }
    return bits % 8 == 0 ? bits / 8 : nil
  }

  /// The tensors must fill the data without overlap, hole or rest.
  func checkCoverage() throws(ModelError) {
    let ordered = entries.sorted {
      ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
        < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
    }
    var end = data.lowerBound
    for (name, entry) in ordered {
      guard entry.bytes.lowerBound >= end else {
        throw refuse("the bytes of tensor \(name) overlap those of the tensor before it")
      }
      guard entry.bytes.lowerBound == end else {
        throw refuse("\(entry.bytes.lowerBound - end) bytes before tensor \(name) are nobody's")
      }
      end = entry.bytes.upperBound
    }
    guard end == data.upperBound else {
      throw refuse("\(data.upperBound - end) bytes follow the last tensor")
    }
  }
}

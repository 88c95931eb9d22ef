// Writes a safetensors file front to back: its header from the list of all tensors, then their bytes
// in that order. Relies on the caller to bring exactly the bytes it announced. The file is flushed
// to the disk before `finish` returns; until then it is nothing that anybody should read.

import Glibc
import JSON

package final class SafetensorsWriter {
  package struct Tensor: Sendable {
    var name: String
    package var elementType: ElementType
    var shape: [Int]

    package init(name: String, elementType: ElementType, shape: [Int]) {
      self.name = name
      self.elementType = elementType
      self.shape = shape
    }

    var byteCount: Int { shape.reduce(1, *) * elementType.bitCount / 8 }
  }

  let path: String
  private let descriptor: Int32
  private var remaining: Int

  package init(path: String, tensors: [Tensor]) throws(ModelError) {
    self.path = path
    var header: JSONObject = ["__metadata__": ["format": "pt"]]
    var end = 0
    for tensor in tensors {
      header[tensor.name] = [
        "dtype": .string(tensor.elementType.rawValue),
        "shape": .array(tensor.shape.map { .integer(Int64($0)) }),
        "data_offsets": [.integer(Int64(end)), .integer(Int64(end + tensor.byteCount))],
      ]
      end += tensor.byteCount
    }
    var text = JSONValue.object(header).serialized()
    text += Array(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .unwritable(path) }
    remaining = 8 + text.count + end
    try append([UInt64(text.count).littleEndian])
    try append(text)
  }

  deinit { close(descriptor) }

  package func append<T: BitwiseCopyable>(_ values: [T]) throws(ModelError) {
    let count = values.count * MemoryLayout<T>.stride
    precondition(count <= remaining, "more bytes than were announced")
    remaining -= count
    guard writeAll(values, to: descriptor) else { throw .unwritable(path) }
  }

  /// To be called when all bytes have been brought.
  package func finish() throws(ModelError) {
    precondition(remaining == 0, "fewer bytes than were announced")
    guard fsync(descriptor) == 0 else { throw .unwritable(path) }
  }
}

/// Writes a whole small file and flushes it to the disk.
func writeFile(_ bytes: [UInt8], to path: String) throws(ModelError) {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw .unwritable(path) }
  defer { close(descriptor) }
  guard writeAll(bytes, to: descriptor), fsync(descriptor) == 0 else { throw .unwritable(path) }
}

/// False, with errno set, where the disk is full or fails.
private func writeAll<T: BitwiseCopyable>(_ values: [T], to descriptor: Int32) -> Bool {
  values.withUnsafeBytes { bytes in
    var done = 0
    while done < bytes.count {
      let count = write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      done += count
    }
    return true
  }
}

extension ModelError {
  /// With the reason that errno has.
  static func unwritable(_ path: String) -> ModelError {
    .unwritableFile(path: path, reason: String(cString: strerror(errno)))
  }
}

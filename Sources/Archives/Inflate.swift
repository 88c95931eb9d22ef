// Deflated bytes back to what they were, through zlib: bare, as in zip archives, or with gzip's
// wrapping, several members in a row included. Refuses to write more than a limit, so that a small
// file can't fill the memory.

import CZlib

package enum Inflate {
  package enum Wrapping: Int32, Sendable {
    /// Window bits as zlib takes them: negative means no header.
    case raw = -15
    case gzip = 31
  }

  package static func isGzip(_ bytes: some Sequence<UInt8>) -> Bool {
    bytes.starts(with: [0x1f, 0x8b])
  }

  /// - Parameters:
  ///   - limit: the most bytes that may come out
  ///   - subject: what is being read, for errors
  package static func bytes(
    of input: UnsafeRawBufferPointer, _ wrapping: Wrapping, limit: Int, subject: String
  ) throws(ArchiveError) -> [UInt8] {
    // zlib's state points back at the stream, which therefore must not move.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    defer { stream.deallocate() }
    let status = inflateInit2_(
      stream, wrapping.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard status == Z_OK else { throw .malformed("\(subject) can't be decompressed: no memory") }
    defer { inflateEnd(stream) }
    var output: [UInt8] = []
    var window = [UInt8](repeating: 0, count: 1 << 16)
    var consumed = 0
    while true {
      let part = UnsafeRawBufferPointer(
        rebasing: input[consumed..<min(input.count, consumed + 1 << 30)])
      let (status, used, written) = step(stream, part, into: &window)
      consumed += used
      guard output.count + written <= limit else { throw .tooLarge(subject, limit: limit) }
      output += window[..<written]
      switch status {
      case Z_STREAM_END:
        let rest = UnsafeRawBufferPointer(rebasing: input[consumed...])
        guard wrapping == .gzip, isGzip(rest) else { return output }
        inflateReset(stream)
      case Z_OK where used > 0 || written > 0: continue
      case Z_OK, Z_BUF_ERROR: throw .malformed("\(subject) ends within its compressed data")
      default: throw .malformed("\(subject) holds damaged compressed data")
      }
    }
  }

  /// One call of zlib: its status, bytes read and bytes written.
  private static func step(
    _ stream: UnsafeMutablePointer<z_stream>, _ input: UnsafeRawBufferPointer,
    into window: inout [UInt8]
  ) -> (status: Int32, used: Int, written: Int) {
    // zlib reads through next_in and never writes there.
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(input.count)
    return window.withUnsafeMutableBufferPointer { window in
      stream.pointee.next_out = window.baseAddress
      stream.pointee.avail_out = UInt32(window.count)
      let status = inflate(stream, Z_NO_FLUSH)
      return (
        status, input.count - Int(stream.pointee.avail_in),
        window.count - Int(stream.pointee.avail_out)
      )
    }
  }
}

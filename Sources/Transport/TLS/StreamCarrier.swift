// The way from OpenSSL to a stream: a BIO whose reads and writes are the stream's, so that what is known
// about sockets (no SIGPIPE, interrupted calls) is known in one place. Relies on outliving its BIO.

import COpenSSL

final class StreamCarrier {
  let stream: any ByteStream
  private(set) var failure: TransportError?
  private(set) var hasEnded = false

  init(_ stream: any ByteStream) { self.stream = stream }

  /// A BIO for one SSL, which frees it. Nil where memory is short.
  func makeBIO() -> OpaquePointer? {
    guard let method = Self.method, let bio = BIO_new(method) else { return nil }
    BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
    BIO_set_init(bio, 1)
    return bio
  }

  // SAFETY: set up once, and only read afterwards.
  nonisolated(unsafe) private static let method: OpaquePointer? = {
    let type = BIO_get_new_index()
    guard type != -1, let method = BIO_meth_new(type | BIO_TYPE_SOURCE_SINK, "stream") else {
      return nil
    }
    BIO_meth_set_read(method) { bio, buffer, count in
      guard let bio, let buffer, count > 0 else { return -1 }
      return StreamCarrier.of(bio).read(
        into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(count)), bio)
    }
    BIO_meth_set_write(method) { bio, bytes, count in
      guard let bio, let bytes, count > 0 else { return -1 }
      return StreamCarrier.of(bio).write(
        UnsafeRawBufferPointer(start: bytes, count: Int(count)), bio)
    }
    // Nothing is held back, so flushing succeeds; no other question is understood.
    BIO_meth_set_ctrl(method) { _, question, _, _ in question == BIO_CTRL_FLUSH ? 1 : 0 }
    return method
  }()

  private static func of(_ bio: OpaquePointer) -> StreamCarrier {
    guard let data = BIO_get_data(bio) else { preconditionFailure("a BIO that is not ours") }
    return Unmanaged<StreamCarrier>.fromOpaque(data).takeUnretainedValue()
  }

  private func read(into buffer: UnsafeMutableRawBufferPointer, _ bio: OpaquePointer) -> Int32 {
    answer(stream.read(into: buffer), bio)
  }

  private func write(_ bytes: UnsafeRawBufferPointer, _ bio: OpaquePointer) -> Int32 {
    answer(stream.write(bytes), bio)
  }

  private func answer(_ outcome: StreamOutcome, _ bio: OpaquePointer) -> Int32 {
    copenssl_set_retry(bio, 0)
    switch outcome {
    case .transferred(let count): return Int32(count)
    case .wouldBlock(let readiness):
      copenssl_set_retry(bio, readiness == .readable ? BIO_FLAGS_READ : BIO_FLAGS_WRITE)
      return -1
    case .end:
      hasEnded = true
      return 0
    case .failed(let error):
      failure = error
      return -1
    }
  }
}

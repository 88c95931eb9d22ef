// Pages of a list of URLs, which is always a local file: a server that fetched what strangers name
// would be a door into its network.

import Documents
import FoundationEssentials
import HTTP
import HTTPTypes
import JSON

enum WebPages {
  private static let maximumByteCount = 64 << 20

  /// One URL a line; empty lines and those that begin with # are left out.
  static func list(_ file: String) throws(CommandFailure) -> [String] {
    guard let data = FileManager.default.contents(atPath: file) else {
      throw .failure("\(file) can't be read")
    }
    return String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
      .map { $0.trimmingPrefix(while: \.isWhitespace).prefix { !$0.isWhitespace } }
      .filter { !$0.isEmpty && !$0.hasPrefix("#") }.map(String.init)
  }

  /// The page as a source, with its URL as id.
  static func fetch(_ url: String, with client: HTTPClient) async throws -> DocumentSource {
    let response = try await client.stream(.get, url)
    if let place = response.headers[.location], response.status.kind == .redirection {
      throw CommandFailure.failure("it has moved to \(place); name that place instead")
    }
    guard response.status == .ok else {
      throw CommandFailure.failure("the server answered with status \(response.status.code)")
    }
    var bytes: [UInt8] = []
    for try await part in response {
      bytes += part
      guard bytes.count <= maximumByteCount else {
        throw CommandFailure.failure("it has more than \(maximumByteCount >> 20) MiB")
      }
    }
    let path = url.prefix { $0 != "?" && $0 != "#" }
    return DocumentSource(
      bytes: bytes, contentType: response.headers[.contentType],
      fileName: path.split(separator: "/").last.map(String.init), id: url,
      metadata: ["url": .string(url)])
  }
}

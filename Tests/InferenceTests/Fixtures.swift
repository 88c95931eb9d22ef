// Where the golden files are, and how to read them.

import Compute
import FoundationEssentials
import JSON

enum Fixtures {
  static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../Fixtures").standardized

  static let pool = ThreadPool(threads: 2)

  static func directory(_ path: String) -> String { root.appending(path: path).path }

  static func bytes(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: root.appending(path: path)))
  }

  static func json(_ path: String) throws -> JSONValue {
    try JSONValue(parsing: bytes(path))
  }

  /// Where the real embedding model is: in the repository's Models folder or where the environment
  /// says; nil where it has not been fetched.
  static let miniLM: String? = {
    let path =
      ProcessInfo.processInfo.environment["MARTLET_MINILM"]
      ?? root.appending(path: "../../Models/all-MiniLM-L6-v2").standardized.path
    return FileManager.default.fileExists(atPath: path + "/model.safetensors") ? path : nil
  }()
}

extension JSONValue {
  var integers: [Int32] { (array ?? []).compactMap(\.int).map(Int32.init) }
  var doubles: [Double] { (array ?? []).compactMap(\.double) }
}

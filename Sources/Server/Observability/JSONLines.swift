// Log lines as JSON objects on standard error, one per event, ready for any log collector.
// Prompts and answers are never logged.

import Glibc
import JSON
package import Logging

package struct JSONLinesLogHandler: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  private let label: String
  private let write: @Sendable ([UInt8]) -> Void

  package init(
    label: String, level: Logger.Level,
    write: @escaping @Sendable ([UInt8]) -> Void = StandardError.write
  ) {
    self.label = label
    logLevel = level
    self.write = write
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    var line: JSONObject = [
      "time": .string(Timestamp.now.rfc3339),
      "level": .string(event.level.rawValue),
      "logger": .string(label),
      "message": .string(event.message.description),
    ]
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    for (key, value) in all.sorted(by: { $0.key < $1.key }) where line[key] == nil {
      line[key] = JSONValue(value)
    }
    write(JSONValue.object(line).serialized() + [UInt8(ascii: "\n")])
  }
}

extension JSONValue {
  fileprivate init(_ value: Logger.MetadataValue) {
    switch value {
    case .string(let text): self = .string(text)
    case .stringConvertible(let number as Int): self = .integer(Int64(number))
    case .stringConvertible(let number as Double): self = .double(number)
    case .stringConvertible(let flag as Bool): self = .bool(flag)
    case .stringConvertible(let other): self = .string(other.description)
    case .array(let values): self = .array(values.map(JSONValue.init))
    case .dictionary(let members):
      var object: JSONObject = [:]
      for (key, value) in members.sorted(by: { $0.key < $1.key }) { object[key] = JSONValue(value) }
      self = .object(object)
    }
  }
}

package enum StandardError {
  /// One write per line, so that lines of several threads don't mix.
  @Sendable package static func write(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

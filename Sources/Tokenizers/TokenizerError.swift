// Everything that can go wrong with a tokenizer's files or a chat template. Each message says which
// file, which key in it and what to do; encoding and decoding themselves never fail.

package enum TokenizerError: Error, Sendable, Hashable, CustomStringConvertible {
  /// A file that is not there or cannot be read.
  case unreadable(file: String, reason: String)
  /// A file whose content breaks the format or contradicts itself.
  case malformed(file: String, key: String, reason: String)
  /// A well-formed setting that this tokenizer does not implement.
  case unsupported(file: String, key: String, value: String)
  /// A chat template that cannot be parsed or raised an error while rendering.
  case template(String)

  package var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "cannot read \(file): \(reason)"
    case .malformed(let file, let key, let reason):
      key.isEmpty ? "\(file): \(reason)" : "\(file): \(key): \(reason)"
    case .unsupported(let file, let key, let value):
      "\(file): \(key): \(value) is not supported; use a tokenizer without it"
    case .template(let message):
      "chat template: \(message)"
    }
  }
}

// Why an archive, or a member of it, can't be read. Messages go on from the archive's name, as in
// "its entry a.txt is encrypted"; whoever reads the archive says which it is.

package enum ArchiveError: Error, Sendable, Hashable {
  /// Not what its format asks for, or something in it that is not read.
  case malformed(String)
  /// More than the reader allows; `limit` is in bytes.
  case tooLarge(String, limit: Int)
}

extension ArchiveError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .malformed(let reason): reason
    case .tooLarge(let what, let limit): "\(what) has more than \(limit) bytes"
    }
  }
}

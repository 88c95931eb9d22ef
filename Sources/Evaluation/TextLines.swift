// The lines of a file, for formats that have one record on each. Lines end in LF or CR LF and nothing
// else: JSON strings may hold what Unicode counts among line ends, such as U+2028.

import FoundationEssentials

package struct EvaluationError: Error, CustomStringConvertible, Sendable, Hashable {
  package var description: String
}

enum TextLines {
  /// Without their ends, empty ones included.
  static func read(_ path: String) throws(EvaluationError) -> [Substring] {
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)),
      let text = String(validating: data, as: UTF8.self)
    else { throw EvaluationError(description: "\(path): can't be read as UTF-8 text") }
    return text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
  }
}

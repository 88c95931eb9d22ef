// A collection with judgments: documents and queries as JSON lines {"id","text"}, judgments as TREC
// writes them (query, iteration, document, gain, separated by white space). Documents of other
// collections can be mixed in, as those that no query is meant for.
// Refuses lines that are neither, naming file and line.

import JSON

package struct JudgedCollection: Sendable {
  package struct Text: Sendable, Hashable {
    package var id: String
    package var text: String
  }

  package var documents: [Text]
  package var queries: [Text]
  /// By query id.
  package var judgments: [String: Judgments]

  /// - Parameters: paths of files.
  ///   - distractors: more documents, whose ids get their file's number and a colon in front.
  package init(documents: String, distractors: [String] = [], queries: String, judgments: String)
    throws(EvaluationError)
  {
    self.documents = try Self.texts(documents)
    for (number, path) in distractors.enumerated() {
      self.documents += try Self.texts(path).map { Text(id: "\(number):\($0.id)", text: $0.text) }
    }
    self.queries = try Self.texts(queries)
    self.judgments = try Self.judgments(judgments)
  }

  /// 16 hexadecimal digits that tell collections of other documents apart (FNV-1a of ids and texts).
  package var fingerprint: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for document in documents {
      for part in [document.id, document.text] {
        for byte in part.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        hash = (hash ^ 0xFF) &* 0x100_0000_01b3  // no byte of UTF-8
      }
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  private static func texts(_ path: String) throws(EvaluationError) -> [Text] {
    var texts: [Text] = []
    for (number, line) in try TextLines.read(path).enumerated() where !line.isEmpty {
      guard let object = try? JSONValue(parsing: Array(line.utf8)),
        let id = object["id"]?.string, let text = object["text"]?.string
      else {
        throw EvaluationError(
          description: "\(path):\(number + 1): expected {\"id\": \"...\", \"text\": \"...\"}")
      }
      texts.append(Text(id: id, text: text))
    }
    return texts
  }

  private static func judgments(_ path: String) throws(EvaluationError) -> [String: Judgments] {
    var judgments: [String: Judgments] = [:]
    for (number, line) in try TextLines.read(path).enumerated() where !line.isEmpty {
      let fields = line.split(whereSeparator: \.isWhitespace)
      guard fields.count == 4, let gain = Int(fields[3]) else {
        throw EvaluationError(
          description: "\(path):\(number + 1): expected query, iteration, document, gain")
      }
      judgments[String(fields[0]), default: [:]][String(fields[2])] = gain
    }
    return judgments
  }
}

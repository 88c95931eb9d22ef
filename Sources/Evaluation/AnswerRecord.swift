// One question of an answer evaluation, a line of JSON:
// {"question", "answers": [...] or "answer", "prediction", "passages"}. A prediction that isn't there
// has to be asked for. Passages are texts in the order of their numbers, or {"n", "text"}.
// Refuses lines that are something else, naming file and line.

import JSON

package struct AnswerRecord: Sendable, Hashable {
  package var question: String
  /// Reference answers.
  package var references: [String]
  package var prediction: String?
  /// By the number that the prediction cites them by; nil where none are told.
  package var passages: [Int: String]?

  package static func read(_ path: String) throws(EvaluationError) -> [AnswerRecord] {
    var records: [AnswerRecord] = []
    for (number, line) in try TextLines.read(path).enumerated()
    where !line.allSatisfy(\.isWhitespace) {
      do throws(EvaluationError) { records.append(try AnswerRecord(line: line)) } catch {
        throw EvaluationError(description: "\(path):\(number + 1): \(error)")
      }
    }
    return records
  }

  private init(line: Substring) throws(EvaluationError) {
    guard let object = try? JSONValue(parsing: Array(line.utf8)),
      let question = object["question"]?.string
    else { throw EvaluationError(description: "expected {\"question\": \"...\", ...}") }
    self.question = question
    prediction = object["prediction"]?.string
    if let answer = object["answer"]?.string {
      references = [answer]
    } else {
      references = (object["answers"]?.array ?? []).compactMap(\.string)
    }
    guard !references.isEmpty else {
      throw EvaluationError(description: "answers: expected a list of texts, not empty")
    }
    passages = try object["passages"].map { (list) throws(EvaluationError) in
      try Self.passages(list)
    }
  }

  private static func passages(_ list: JSONValue) throws(EvaluationError) -> [Int: String] {
    var passages: [Int: String] = [:]
    guard let elements = list.array else {
      throw EvaluationError(description: "passages: expected a list")
    }
    for (index, element) in elements.enumerated() {
      guard let text = element.string ?? element["text"]?.string else {
        throw EvaluationError(
          description: "passages[\(index)]: expected a text or {\"n\": 1, \"text\": \"...\"}")
      }
      passages[element["n"]?.int ?? index + 1] = text
    }
    return passages
  }
}

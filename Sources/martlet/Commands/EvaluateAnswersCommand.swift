// `martlet evaluate answers`: how close answers come to reference answers, and how far they say only
// what their citations say. Answers stand in the file, or are asked for: of documents with
// `--collection`, of the model alone without.

import ArgumentParser
import Documents
import Evaluation
import FoundationEssentials
import JSON

struct EvaluateAnswersCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "answers", abstract: "Measure answers against references.",
    discussion: """
      The file has JSON lines {"question", "answers": [...], "prediction", "passages": [...]}; where \
      "prediction" is missing, the question is asked. Prints exact match and F1 (SQuAD's; by characters \
      as CMRC does where references are Chinese), ROUGE-1, -2 and -L and BLEU, all without the answer's \
      citation markers; and faithfulness, the share of sentences that cite a passage [n] which has at \
      least 60 % of their content words (stemmed, without stop words; pairs of Chinese characters). \
      Sentences without a citation count as unfaithful.
      """)

  @OptionGroup var client: ClientOptions
  @Argument(help: ArgumentHelp("JSON lines with questions and answers.", valueName: "file"))
  var file: String
  @Option(help: ArgumentHelp("Ask the documents of this collection.", valueName: "name"))
  var collection: String?
  @Option(
    help: ArgumentHelp(
      "Further fields of the request's retrieval, such as '{\"chain\": \"refine\"}'.",
      valueName: "json"))
  var retrieval: String?
  @Option(help: "Most tokens per answer that is asked for.") var maxTokens = 256
  @Option(help: ArgumentHelp("Write questions, answers and scores there.", valueName: "file"))
  var output: String?

  func run() async throws {
    var records: [AnswerRecord]
    do throws(EvaluationError) { records = try AnswerRecord.read(file) } catch {
      throw CommandFailure.failure(error.description)
    }
    if records.contains(where: { $0.prediction == nil }) { try await ask(&records) }
    var report = AnswerReport()
    let lines = records.map { report.add($0) }
    try write(lines)
    if client.json {
      Terminal.print(report.json.description)
    } else {
      Terminal.print(report.text)
    }
  }

  // MARK: Asking

  private func ask(_ records: inout [AnswerRecord]) async throws {
    let fields = try retrievalFields()
    let api = try await client.open(needsChatModel: true)
    do {
      for index in records.indices where records[index].prediction == nil {
        try await ask(&records[index], fields, api)
      }
    } catch {
      await api.close()
      throw error
    }
    await api.close()
  }

  private func retrievalFields() throws(CommandFailure) -> JSONObject? {
    guard let collection else {
      guard retrieval == nil else { throw .failure("--retrieval needs --collection") }
      return nil
    }
    var fields = JSONObject()
    if let retrieval {
      guard let object = (try? JSONValue(parsing: retrieval))?.object else {
        throw .failure("--retrieval is no JSON object")
      }
      fields = object
    }
    fields["collection"] = .string(collection)
    return fields
  }

  private func ask(
    _ record: inout AnswerRecord, _ fields: JSONObject?, _ api: any APIClient
  ) async throws {
    var request: JSONObject = [
      "messages": [["role": "user", "content": .string(record.question)]],
      "temperature": 0, "max_tokens": .integer(Int64(maxTokens)),
    ]
    if let fields { request["retrieval"] = .object(fields) }
    let answer = try await api.post("/v1/chat/completions", .object(request))
    record.prediction = answer["choices"]?[0]?["message"]?["content"]?.string ?? ""
    guard let results = answer["retrieval"]?["results"]?.array else { return }
    var passages: [Int: String] = [:]
    for result in results {
      let text = (result["context"]?["text"] ?? result["text"])?.string
      if let number = result["n"]?.int, let text { passages[number] = text }
    }
    record.passages = passages
  }

  private func write(_ lines: [JSONValue]) throws(CommandFailure) {
    guard let output else { return }
    let text = lines.map { $0.description + "\n" }.joined()
    do { try Data(text.utf8).write(to: URL(fileURLWithPath: output)) } catch {
      throw .failure("\(output) can't be written: \(error)")
    }
  }
}

/// Means over all questions.
private struct AnswerReport {
  private var count = 0
  private var sums = [0.0, 0.0, 0.0, 0.0, 0.0]
  private var bleu = CorpusBLEU()
  private var faithfulness = Faithfulness()

  private static let names = ["exact_match", "f1", "rouge1", "rouge2", "rougeL"]

  /// Counts one question and returns its own line.
  mutating func add(_ record: AnswerRecord) -> JSONValue {
    let answer = record.prediction ?? ""
    let unit = AnswerUnit(of: record.references)
    let text = CitationMarker.removed(from: answer)
    let scores = AnswerScores(text, references: record.references, unit: unit)
    let values = [scores.exactMatch, scores.f1, scores.rouge1, scores.rouge2, scores.rougeL]
    count += 1
    sums = zip(sums, values).map { $0 + $1 }
    bleu.add(text, references: record.references, unit: unit)
    var line: JSONObject = [
      "question": .string(record.question),
      "answers": .array(record.references.map { .string($0) }), "prediction": .string(answer),
    ]
    for (name, value) in zip(Self.names, values) { line[name] = .double(value) }
    guard let passages = record.passages else { return .object(line) }
    line["passages"] = .array(
      passages.sorted { $0.key < $1.key }.map {
        ["n": .integer(Int64($0.key)), "text": .string($0.value)]
      })
    let own = Faithfulness(answer, passages: passages, boundaries: TextSentences.ranges)
    faithfulness.supported += own.supported
    faithfulness.cited += own.cited
    faithfulness.sentences += own.sentences
    line["faithfulness"] = own.share.map { .double($0) } ?? .null
    return .object(line)
  }

  private var figures: [(String, Double)] {
    var figures = zip(Self.names, sums).map { ($0, count > 0 ? $1 / Double(count) : 0) }
    figures.append(("bleu", bleu.score))
    if let share = faithfulness.share { figures.append(("faithfulness", share)) }
    return figures
  }

  var json: JSONValue {
    var object: JSONObject = ["questions": .integer(Int64(count))]
    for (name, value) in figures { object[name] = .double(value) }
    object["sentences"] = .integer(Int64(faithfulness.sentences))
    object["cited_sentences"] = .integer(Int64(faithfulness.cited))
    return .object(object)
  }

  var text: String {
    let text = figures.map { "\($0.0) \(JSONValue.rounded($0.1, 4).description)" }
    return text.joined(separator: ", ") + " (\(count) questions)"
  }
}

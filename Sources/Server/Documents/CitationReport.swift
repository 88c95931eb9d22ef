// What an answer's citations point at: chunk, document, offsets and the sentence that is quoted. A
// marker that names no passage of the prompt is the model's invention; it is told apart, not believed.

import Documents
import Evaluation
import JSON
import Retrieval

struct CitationReport {
  private(set) var citations: [JSONValue] = []
  private(set) var unknown: [JSONValue] = []

  init() {}

  /// - Parameter passages: those that the model was given.
  mutating func add(_ answer: String, choice: Int, _ passages: [NumberedPassage]) {
    let byNumber = Dictionary(
      passages.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    let sentences = CitedSentence.split(answer, boundaries: TextSentences.ranges)
    for marker in CitationMarker.find(in: answer) {
      if let passage = byNumber[marker.number] {
        let claim = sentences.first { $0.markers.contains(marker) }?.text ?? ""
        citations.append(Self.json(marker, choice, passage, claim))
      } else {
        unknown.append(.object(Self.place(marker, choice)))
      }
    }
  }

  private static func place(_ marker: CitationMarker, _ choice: Int) -> JSONObject {
    [
      "n": .integer(Int64(marker.number)), "choice": .integer(Int64(choice)),
      "start": .integer(Int64(marker.start)), "end": .integer(Int64(marker.end)),
    ]
  }

  private static func json(
    _ marker: CitationMarker, _ choice: Int, _ passage: NumberedPassage, _ claim: String
  ) -> JSONValue {
    let chunk = passage.chunk
    var object = place(marker, choice)
    object["result"] = .integer(Int64(passage.result))
    object["chunk_id"] = .string(chunk.id)
    object["document_id"] = .string(chunk.documentID)
    object["chunk_start"] = .integer(Int64(chunk.start))
    object["chunk_end"] = .integer(Int64(chunk.end))
    object["support"] = .double(Support.share(of: claim, in: [chunk.passage]))
    let quote = quote(for: claim, in: chunk)
    object["quote"] = quote.map { .string($0.text) } ?? .null
    object["quote_start"] = quote.map { .integer(Int64($0.start)) } ?? .null
    object["quote_end"] =
      quote.map { .integer(Int64($0.start + $0.text.unicodeScalars.count)) } ?? .null
    return .object(object)
  }

  /// The sentence of the passage that shares most with the claim, and where it begins in the document.
  private static func quote(
    for claim: String, in chunk: RetrievedChunk
  ) -> (text: String, start: Int)? {
    let scalars = Array(chunk.passage.unicodeScalars)
    let ranges = TextSentences.ranges(of: chunk.passage)
    let sentences = ranges.map { String(String.UnicodeScalarView(scalars[$0])) }
    return Support.best(of: sentences, for: claim).map {
      (sentences[$0], (chunk.context?.start ?? chunk.start) + ranges[$0].lowerBound)
    }
  }
}

// How a chat request with `retrieval` is to be answered: what is looked for, and how passages become
// an answer. Read from the same object as the search itself; refuses what is out of range, by name.

import FoundationEssentials
import JSON
import Retrieval

/// How passages become an answer.
package enum AnswerChain: String, Sendable, CaseIterable {
  /// All passages in one prompt.
  case stuff
  /// Notes on each passage first, then an answer from the notes.
  case mapReduce = "map_reduce"
  /// An answer from the first passage, improved by one passage after the other.
  case refine
  /// Each token from the mixture of what the model would say to each passage.
  case ragToken = "rag_token"
  /// The candidate that is likeliest over all passages.
  case ragSequence = "rag_sequence"
}

extension AnswerChain {
  /// Decodes over a sequence per passage.
  var isMixture: Bool { self == .ragToken || self == .ragSequence }
}

/// In which order passages stand in the prompt.
enum PassageOrder: String, Sendable, CaseIterable {
  /// The best first.
  case rank
  /// By document, then by position: the same passages make the same prompt, whichever question found
  /// them, so that the prefix cache has it.
  case document
}

/// What holds where a request doesn't say.
struct AnswerDefaults: Sendable {
  var chain = AnswerChain.stuff
  var rewrite = false
  /// Tokens that passages may take; nil: what the context leaves.
  var contextTokens: Int?
  var template: PassageTemplate?
}

struct AnswerOptions: Sendable {
  static let maximumQueries = 8
  static let maximumCandidates = 4

  var chain: AnswerChain
  /// Has the model turn conversation and question into a question that stands alone.
  var rewrite: Bool
  /// Ways to ask, the question among them.
  var queries = 1
  /// Searches with a hypothetical answer, too.
  var hyde = false
  var order = PassageOrder.rank
  var contextTokens: Int?
  /// What dense similarities are divided by to weigh passages against each other.
  var tau = 0.05
  /// Candidates per passage of `rag_sequence`.
  var candidates = 1
  /// nil: ours, in the question's language.
  var template: PassageTemplate?

  /// What is read here of the `retrieval` object; the rest of it is the search's.
  static let fields = [
    "chain", "rewrite", "queries", "hyde", "order", "context_tokens", "tau", "candidates",
    "template",
  ]

  init(_ json: JSONValue, defaults: AnswerDefaults) throws {
    let fields = try JSONFields(json, field: "retrieval")
    chain = try fields.choice("chain") ?? defaults.chain
    rewrite = try fields.bool("rewrite") ?? defaults.rewrite
    queries = try fields.int("queries", in: 1...Self.maximumQueries) ?? queries
    hyde = try fields.bool("hyde") ?? hyde
    order = try fields.choice("order") ?? order
    contextTokens = try fields.int("context_tokens", in: 1...(1 << 24)) ?? defaults.contextTokens
    tau = try fields.double("tau") ?? tau
    guard tau > 0 else { throw fields.invalid("tau", "\(tau) is not above 0") }
    candidates = try fields.int("candidates", in: 1...Self.maximumCandidates) ?? candidates
    template = defaults.template
    if let source = try fields.string("template") {
      do throws(PassageTemplate.Failure) { template = try PassageTemplate(source) } catch {
        throw fields.invalid("template", error.description)
      }
    }
  }
}

extension AnswerDefaults {
  init(_ configuration: ServerConfiguration) throws(StartupFailure) {
    chain = configuration.retrievalChain
    rewrite = configuration.retrievalRewrite
    contextTokens = configuration.retrievalContext
    guard let path = configuration.retrievalTemplate else { return }
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)),
      let source = String(validating: data, as: UTF8.self)
    else {
      throw StartupFailure(
        message: "retrieval_template: \(path) can't be read as UTF-8 text.",
        isConfiguration: true)
    }
    do throws(PassageTemplate.Failure) { template = try PassageTemplate(source) } catch {
      throw StartupFailure(
        message: "retrieval_template: \(path), \(error).", isConfiguration: true)
    }
  }
}

// How passages are put before the model: a Jinja template whose text follows the caller's own system
// message. It sees `passages` (n, text, id, document_id, score, start, end, page, heading, metadata),
// `question`, `language` ("en" or "zh") and, in a refine chain, `answer`, the answer so far. Rendering
// is bounded far below what the bounds of chat templates are, since this one comes with a request.

import JSON
import Jinja
import Retrieval

/// A passage with its number in the prompt.
struct NumberedPassage: Sendable {
  let number: Int
  /// Index into the results.
  let result: Int
  let chunk: RetrievedChunk
  /// The chunk's text, or notes on it.
  var text: String

  fileprivate var json: JSONValue {
    [
      "n": .integer(Int64(number)), "text": .string(text), "id": .string(chunk.id),
      "document_id": .string(chunk.documentID), "score": .double(chunk.score),
      "start": .integer(Int64(chunk.start)), "end": .integer(Int64(chunk.end)),
      "page": chunk.page.map { .integer(Int64($0)) } ?? .null,
      "heading": chunk.heading.map(JSONValue.string) ?? .null,
      "metadata": .object(chunk.metadata),
    ]
  }
}

struct PassageTemplate: Sendable {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  static let maximumByteCount = 64 << 10
  static let limits = JinjaLimits(
    steps: 250_000, outputBytes: 4 << 20, items: 10_000, depth: 64)

  private let template: JinjaTemplate

  init(_ source: String) throws(Failure) {
    guard source.utf8.count <= Self.maximumByteCount else {
      throw Failure(
        description: "the template has \(source.utf8.count) bytes; at most "
          + "\(Self.maximumByteCount) are possible")
    }
    do throws(JinjaError) { template = try JinjaTemplate(source) } catch {
      throw Failure(description: "line \(error.line): \(error.message)")
    }
  }

  /// The text of a template without the white space at its end.
  func render(
    _ passages: [NumberedPassage], question: String, answer: String?
  ) throws(APIError) -> String {
    var variables: JSONObject = [
      "passages": .array(passages.map(\.json)), "question": .string(question),
      "language": .string(QuestionLanguage(of: question).rawValue),
    ]
    if let answer { variables["answer"] = .string(answer) }
    let text: String
    do throws(JinjaError) {
      text = try template.render(variables, limits: Self.limits)
    } catch {
      throw .invalid(
        "retrieval.template, line \(error.line): \(error.message)", param: "retrieval.template",
        code: "template_error")
    }
    let end = text.lastIndex { !$0.isWhitespace }
    return end.map { String(text[...$0]) } ?? ""
  }
}

extension PassageTemplate {
  /// Ours. Instruction and heading of the first are worded as in the conversations that the bundled
  /// model was trained on.
  static func standard(_ language: QuestionLanguage, refining: Bool) -> PassageTemplate {
    let source =
      switch (language, refining) {
      case (.english, false): english
      case (.chinese, false): chinese
      case (.english, true): englishRefining
      case (.chinese, true): chineseRefining
      }
    do throws(Failure) { return try PassageTemplate(source) } catch {
      preconditionFailure("a template of ours can't be read: \(error)")
    }
  }

  private static let english = """
    You are a helpful assistant. Answer the question using only the numbered passages below, and \
    cite the passage you used like [1]. If the passages do not contain the answer, say that you \
    could not find it.

    Passages:
    {% for passage in passages %}
    [{{ passage.n }}] {{ passage.text }}
    {% endfor %}
    """

  private static let chinese = """
    你是一个有用的助手。请只根据下面编号的资料回答问题，并用 [1] 这样的形式注明出处。如果资料中没有答案，请说明没有找到。

    资料：
    {% for passage in passages %}
    [{{ passage.n }}] {{ passage.text }}
    {% endfor %}
    """

  private static let englishRefining = """
    You are a helpful assistant. There is an answer to the question already, and one more numbered \
    passage. If the passage helps, improve the answer with it and cite it like [1]; keep the \
    citations that are there. If it does not help, repeat the answer as it is.

    Answer so far:
    {{ answer }}

    Passages:
    {% for passage in passages %}
    [{{ passage.n }}] {{ passage.text }}
    {% endfor %}
    """

  private static let chineseRefining = """
    你是一个有用的助手。问题已经有了一个回答，下面又有一段编号的资料。如果资料有帮助，请用它改进回答，并用 [1] 这样的形式注明出处，\
    同时保留原有的出处；如果没有帮助，请原样重复已有的回答。

    已有的回答：
    {{ answer }}

    资料：
    {% for passage in passages %}
    [{{ passage.n }}] {{ passage.text }}
    {% endfor %}
    """
}

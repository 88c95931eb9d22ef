// Wire types of POST /v1/rerank (Jina's, Cohere's and llama-server's:
// https://api.jina.ai/docs, https://docs.cohere.com/reference/rerank).

import JSON

struct RerankRequest: Decodable, Sendable {
  var model: String?
  var query: String
  var documents: [Document]
  var topN: Int?
  var returnDocuments: Bool?

  /// A text, or an object with one.
  struct Document: Decodable, Sendable {
    var text: String

    init(from decoder: any Decoder) throws {
      if let text = try? decoder.singleValueContainer().decode(String.self) {
        self.text = text
      } else {
        text = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .text)
      }
    }

    enum CodingKeys: String, CodingKey { case text }
  }

  enum CodingKeys: String, CodingKey {
    case model, query, documents
    case topN = "top_n"
    case returnDocuments = "return_documents"
  }
}

struct RerankResponse: Encodable, Sendable {
  var object = "list"
  var model: String
  var results: [Result]
  var usage: Usage

  struct Result: Encodable, Sendable {
    /// Of the document in the request.
    var index: Int
    var relevanceScore: Double
    var document: Document?

    enum CodingKeys: String, CodingKey {
      case index
      case relevanceScore = "relevance_score"
      case document
    }
  }

  struct Document: Encodable, Sendable {
    var text: String
  }
}

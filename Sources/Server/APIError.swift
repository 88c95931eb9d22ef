// What a client is told when something is wrong: an HTTP status and OpenAI's error body
// `{"error":{"message","type","param","code"}}` with all four keys present.
// Every endpoint throws this one type; `ErrorResponse` turns other targets' errors into it.

package struct APIError: Error, Sendable, Equatable {
  package var status: Int
  package var type: String
  package var message: String
  package var param: String?
  package var code: String?
  /// Seconds after which trying again may help.
  package var retryAfterSeconds: Int?
  /// Overrides the official clients' own idea of what is worth a retry.
  package var shouldRetry: Bool?

  package init(
    status: Int, type: String, message: String, param: String? = nil, code: String? = nil,
    retryAfterSeconds: Int? = nil, shouldRetry: Bool? = nil
  ) {
    self.status = status
    self.type = type
    self.message = message
    self.param = param
    self.code = code
    self.retryAfterSeconds = retryAfterSeconds
    self.shouldRetry = shouldRetry
  }

  static func invalid(_ message: String, param: String? = nil, code: String? = nil) -> APIError {
    APIError(
      status: 400, type: "invalid_request_error", message: message, param: param, code: code)
  }

  static func notFound(_ message: String, param: String? = nil, code: String) -> APIError {
    APIError(
      status: 404, type: "invalid_request_error", message: message, param: param, code: code)
  }

  /// Will pass by itself: loading, draining, queue full.
  static func busy(_ message: String, code: String, retryAfterSeconds: Int) -> APIError {
    APIError(
      status: 503, type: "server_error", message: message, code: code,
      retryAfterSeconds: retryAfterSeconds)
  }

  /// Deterministic: the same request would fail again.
  static func unavailable(_ message: String, code: String) -> APIError {
    APIError(
      status: 503, type: "server_error", message: message, code: code, shouldRetry: false)
  }

  static func contextLength(
    promptTokens: Int, contextLength: Int
  ) -> APIError {
    .invalid(
      """
      This model's maximum context length is \(contextLength) tokens, but the prompt has \
      \(promptTokens) tokens. Shorten the messages or start the server with a larger --context.
      """,
      param: "messages", code: "context_length_exceeded")
  }

  static func unknownParameter(_ name: String, known: [String]) -> APIError {
    .invalid(
      "There is no parameter '\(name)' here; there are \(known.joined(separator: ", ")).",
      param: name, code: "unknown_parameter")
  }

  static func modelNotFound(_ name: String, known: [String]) -> APIError {
    .notFound(
      "The model '\(name)' does not exist here. Known models: "
        + (known.isEmpty ? "none" : known.joined(separator: ", ")) + ".",
      param: "model", code: "model_not_found")
  }

  /// Our own bug, or a failure that the client can do nothing about.
  static let unexpected = APIError(
    status: 500, type: "server_error", message: "The server failed to answer. See its log.",
    code: "internal_error")

  static let noChatModel = APIError.unavailable(
    """
    No chat model is loaded. Run `make models` to fetch one, or start the server with --model DIR, \
    where DIR is a Hugging Face directory or a GGUF file of a chat model.
    """,
    code: "no_chat_model")

  static let noRerankModel = APIError.unavailable(
    """
    No reranking model is loaded. Start the server with --rerank-model DIR, where DIR is a Hugging \
    Face directory of a cross-encoder with one label, such as cross-encoder/ms-marco-MiniLM-L6-v2 \
    or BAAI/bge-reranker-v2-m3.
    """,
    code: "no_rerank_model")

  static let noEmbeddingModel = APIError.unavailable(
    """
    No embedding model is loaded. Run `make models` to fetch all-MiniLM-L6-v2, or start the \
    server with --embedding-model DIR.
    """,
    code: "no_embedding_model")
}

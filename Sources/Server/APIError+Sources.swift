// Which status each error of the other targets deserves.

import Documents
import Inference
import JSON
import Retrieval
import Tokenizers

extension APIError {
  /// nil for an error that no request should be able to cause.
  init?(_ error: any Error) {
    switch error {
    case let error as APIError: self = error
    case let error as InferenceError: self.init(error)
    case let error as DocumentError: self.init(error)
    case let error as RetrievalError: self.init(error)
    case let error as TokenizerError:
      self = .invalid("\(error)")
    case is CancellationError:
      // Nobody is left to read this; the status still shows in the log (nginx' 499).
      self.init(status: 499, type: "client_closed_request", message: "The client has gone.")
    default: return nil
    }
  }

  private init(_ error: InferenceError) {
    switch error {
    case .contextLengthExceeded(let promptTokens, let contextLength):
      self = .contextLength(promptTokens: promptTokens, contextLength: contextLength)
    case .emptyPrompt:
      self = .invalid("\(error)", param: "prompt")
    case .tokenOutOfRange:
      self = .invalid("\(error)", param: "prompt")
    case .groupTooLarge:
      self = .invalid("\(error)", param: "retrieval.top_k", code: "group_too_large")
    case .invalidParameter(let name, _, _):
      self = .invalid("\(error)", param: name)
    case .noCandidates:
      self = .invalid("\(error)", param: "logit_bias")
    case .queueFull:
      self = .busy("\(error)", code: "queue_full", retryAfterSeconds: 2)
    case .draining, .shutDown:
      self = .busy("\(error)", code: "draining", retryAfterSeconds: 5)
    case .insufficientKVMemory, .nonFiniteLogits, .modelFailed, .threadUnavailable:
      self.init(
        status: 500, type: "server_error", message: "\(error)", code: "inference_failed",
        shouldRetry: false)
    }
  }

  private init(_ error: DocumentError) {
    let status =
      switch error {
      case .invalidRequest, .invalidDocument: 400
      case .unsupportedContentType, .formatUnavailable: 415
      case .documentTooLarge: 413
      }
    self.init(
      status: status, type: "invalid_request_error", message: "\(error)", param: error.field,
      code: error.code)
  }

  private init(_ error: RetrievalError) {
    let status: Int
    switch error {
    case .collectionNotFound, .documentNotFound: status = 404
    case .invalidRequest, .unsupported: status = 400
    case .conflict, .embeddingModelMismatch: status = 409
    case .embeddingModelMissing: status = 503
    case .rerankModelMissing:
      self = .noRerankModel
      return
    case .diskFull: status = 507
    case .databaseLocked, .databaseReadOnly: status = 503
    default: status = 500
    }
    var isLocked = false
    if case .databaseLocked = error { isLocked = true }
    self.init(
      status: status, type: status < 500 ? "invalid_request_error" : "server_error",
      message: "\(error)", param: error.field, code: error.code,
      retryAfterSeconds: isLocked ? 1 : nil,
      shouldRetry: isLocked || (status < 500 && status != 409) ? nil : false)
  }
}

// POST /v1/embeddings, /embeddings

import FoundationEssentials
import HTTP
import Inference
import JSON

struct Embeddings: Sendable {
  static let maximumInputs = 2048

  let state: ServerState
  let metrics: ServerMetrics

  func respond(to request: Request) async throws -> Response {
    let body = try request.decode(EmbeddingRequest.self)
    let model = try state.embeddingModel(named: body.model)
    let format = body.encodingFormat ?? "float"
    guard format == "float" || format == "base64" else {
      throw APIError.invalid(
        "encoding_format is '\(format)', expected float or base64.", param: "encoding_format")
    }
    let dimensions = try checkedDimensions(body.dimensions, of: model)
    let batch = try await embed(body, with: model)
    let tokens = batch.tokenCounts.reduce(0, +)
    metrics.embeddingTexts.increment(by: Double(batch.vectors.count))
    metrics.embeddingTokens.increment(by: Double(tokens))
    RequestTrace.note("model", model.id)
    RequestTrace.note("prompt_tokens", tokens)
    let items = batch.vectors.enumerated().map { index, vector in
      let cut = dimensions == vector.count ? vector : Self.shorten(vector, to: dimensions)
      return EmbeddingResponse.Item(
        index: index, embedding: format == "float" ? .numbers(cut) : .base64(Self.base64(cut)))
    }
    return try .json(
      EmbeddingResponse(data: items, model: model.id, usage: Usage(promptTokens: tokens)))
  }

  private func embed(
    _ body: EmbeddingRequest, with model: EmbeddingModel
  ) async throws -> EmbeddingBatch {
    let prompt = try prompt(of: body, model)
    switch body.input {
    case .texts(let texts):
      try check(texts.map(\.isEmpty))
      return try await model.embedder.embed(
        texts, prompt: prompt ?? model.embedder.prompts.standard)
    case .tokens(let lists):
      try check(lists.map(\.isEmpty))
      guard prompt == nil else {
        throw APIError.invalid(
          "A prompt goes in front of texts; token lists are embedded as they are.",
          param: body.prompt == nil ? "prompt_name" : "prompt")
      }
      return try await model.embedder.embed(tokens: lists.map { try tokenIDs($0, of: model) })
    }
  }

  /// Clients that count tokens by OpenAI's vocabularies (LangChain does, unless told not to) send ids
  /// that mean nothing here; most are larger than any of the model's.
  private func tokenIDs(_ ids: [Int], of model: EmbeddingModel) throws(APIError) -> [Int32] {
    let count = model.embedder.vocabularySize
    guard let unknown = ids.first(where: { !(0..<count).contains($0) }) else {
      return ids.map { Int32($0) }
    }
    throw .invalid(
      """
      input holds the token \(unknown); the ids of \(model.id) are 0 to \(count - 1). Send texts; in \
      LangChain, OpenAIEmbeddings(check_embedding_ctx_length=False) does.
      """,
      param: "input")
  }

  /// nil where the request names none.
  private func prompt(of body: EmbeddingRequest, _ model: EmbeddingModel) throws(APIError)
    -> String?
  {
    guard let name = body.promptName else { return body.prompt }
    guard body.prompt == nil else {
      throw .invalid("Only one of prompt and prompt_name is possible.", param: "prompt_name")
    }
    guard let prompt = model.embedder.prompts[name] else {
      let known = model.embedder.prompts.names.joined(separator: ", ")
      throw .invalid(
        "prompt_name is '\(name)'; \(model.id) has \(known).", param: "prompt_name")
    }
    return prompt
  }

  /// Between one and the most inputs, none of them empty.
  private func check(_ isEmpty: [Bool]) throws(APIError) {
    guard (1...Self.maximumInputs).contains(isEmpty.count) else {
      throw .invalid(
        "input has \(isEmpty.count) entries; between 1 and \(Self.maximumInputs) are accepted.",
        param: "input")
    }
    if let index = isEmpty.firstIndex(of: true) {
      throw .invalid(
        isEmpty.count == 1 ? "input is empty." : "input[\(index)] is empty.", param: "input")
    }
  }

  private func checkedDimensions(_ wanted: Int?, of model: EmbeddingModel) throws(APIError) -> Int {
    let full = model.embedder.dimension
    guard let wanted else { return full }
    guard (1...full).contains(wanted) else {
      throw .invalid(
        "dimensions is \(wanted); \(model.id) gives 1 to \(full).", param: "dimensions")
    }
    return wanted
  }

  /// The first numbers, scaled back to unit length, as OpenAI's and Matryoshka models define it.
  static func shorten(_ vector: [Float], to count: Int) -> [Float] {
    let head = vector.prefix(count)
    let norm = head.reduce(Float(0)) { $0 + $1 * $1 }.squareRoot()
    return norm > 0 ? head.map { $0 / norm } : Array(head)
  }

  /// Little-endian float32, as the official client decodes it.
  static func base64(_ vector: [Float]) -> String {
    var data = Data(capacity: vector.count * 4)
    for value in vector {
      withUnsafeBytes(of: value.bitPattern.littleEndian) { data.append(contentsOf: $0) }
    }
    return data.base64EncodedString()
  }
}

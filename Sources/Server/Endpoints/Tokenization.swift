// POST /tokenize, /detokenize: what the model sees of a text.

import HTTP
import Inference
import JSON
import Tokenizers

struct Tokenization: Sendable {
  let state: ServerState

  func tokenize(_ request: Request) throws -> Response {
    let body = try request.decode(TokenizeRequest.self)
    let tokens: [Int32]
    let limit: Int
    switch (body.prompt, body.messages) {
    case (let prompt?, nil):
      let (tokenizer, length) = try tokenizer(named: body.model)
      tokens = tokenizer.encode(prompt, addSpecialTokens: body.addSpecialTokens ?? true)
      limit = length
    case (nil, let messages?):
      let model = try state.chatModel(named: body.model)
      let prompt = try ChatPrompt.render(
        ChatPrompt.normalize(messages), with: model,
        addGenerationPrompt: body.addGenerationPrompt ?? true)
      tokens = model.tokenizer.encode(prompt)
      limit = model.contextLength
    default:
      throw APIError.invalid("Give either 'prompt' or 'messages'.", param: "prompt")
    }
    return try .json(
      TokenizeResponse(tokens: tokens, count: tokens.count, maxModelLength: limit))
  }

  func detokenize(_ request: Request) throws -> Response {
    let body = try request.decode(DetokenizeRequest.self)
    let (tokenizer, _) = try tokenizer(named: body.model)
    let ids = try body.tokens.map { try tokenID($0, in: "tokens") }
    if let unknown = ids.first(where: { tokenizer.token($0) == nil }) {
      throw APIError.invalid(
        "tokens holds \(unknown), which the tokenizer doesn't know.", param: "tokens")
    }
    return try .json(
      DetokenizeResponse(prompt: tokenizer.decode(ids, skipSpecialTokens: false)))
  }

  /// The named model's tokenizer and limit; without a name the chat model's, else the embedder's.
  private func tokenizer(named name: String?) throws(APIError) -> (Tokenizer, Int) {
    if let embedding = state.embedding, name == embedding.id || (name == nil && state.chat == nil) {
      return (embedding.embedder.tokenizer, embedding.embedder.maximumTokens)
    }
    let model = try state.chatModel(named: name)
    return (model.tokenizer, model.contextLength)
  }
}

/// A token id of a request as the models count them.
/// - Parameter param: the field that it is in
func tokenID(_ id: Int, in param: String) throws(APIError) -> Int32 {
  guard let id = Int32(exactly: id), id >= 0 else {
    throw .invalid("\(param) holds \(id), which is not a token id.", param: param)
  }
  return id
}

// GET /v1/models, /v1/models/{id}

import HTTP

struct Models: Sendable {
  let state: ServerState

  func list(_ request: Request) throws -> Response {
    try .json(ModelList(data: state.descriptions))
  }

  func get(_ request: Request) throws -> Response {
    let id = request.parameters["id"] ?? ""
    guard let model = state.description(of: id) else {
      throw APIError.modelNotFound(id, known: state.descriptions.map(\.id))
    }
    return try .json(model)
  }
}

// Wire types of GET /v1/models (https://platform.openai.com/docs/api-reference/models).

struct ModelList: Encodable, Sendable {
  var object = "list"
  var data: [ModelDescription]
}

struct ModelDescription: Encodable, Sendable {
  var id: String
  var object = "model"
  /// Unix seconds at which the model was loaded.
  var created: Int
  var ownedBy = "martlet"
  /// Of an adapter: the model that it belongs to.
  var parent: String?

  enum CodingKeys: String, CodingKey {
    case id, object, created, parent
    case ownedBy = "owned_by"
  }
}

// Wire type of POST /v1/adapters.

struct AdapterRequest: Decodable, Sendable {
  /// What requests will give as their model.
  var name: String
  /// Within the adapter directory.
  var path: String
}

// POST /v1/adapters, DELETE /v1/adapters/{name}: adapters that come and go while the server runs.

import Checkpoints
import Compute
import HTTP
import HTTPTypes
import Logging
import Transformer

struct Adapters: Sendable {
  let state: ServerState
  let folder: AdapterFolder
  let logger: Logger

  /// 201 with what GET /v1/models says of it.
  func load(_ request: Request) async throws -> Response {
    let body = try request.decode(AdapterRequest.self)
    let name = body.name
    guard AdapterSpecification.isName(name) else {
      throw APIError.invalid(
        "name must be \(AdapterSpecification.nameRule).", param: "name")
    }
    let directory = try folder.directory(of: body.path)
    let description = try await state.addAdapter(named: name) { model in
      // Reading takes as long as the disk takes: off the cooperative pool.
      let thread = try ComputeThread(name: "load-adapter")
      do {
        let adapter = try await thread.perform {
          try model.loadAdapter(directory: directory)
        }
        return LoadedAdapter(name: name, adapter: adapter)
      } catch let error as ModelError {
        throw APIError.invalid("\(error)", param: "path", code: "invalid_adapter")
      }
    }
    logger.info(
      "adapter loaded", metadata: ["adapter": .string(name), "path": .string(directory)])
    return try .json(description, status: .created)
  }

  func remove(_ request: Request) throws -> Response {
    let name = request.name
    try state.removeAdapter(named: name)
    logger.info("adapter removed", metadata: ["adapter": .string(name)])
    return Response(.noContent)
  }
}

extension APIError {
  static func nameTaken(_ name: String) -> APIError {
    APIError(
      status: 409, type: "invalid_request_error",
      message: "The name '\(name)' is taken. Choose another one, or delete that adapter first.",
      param: "name", code: "name_taken", shouldRetry: false)
  }

  static let tooManyAdapters = APIError(
    status: 409, type: "invalid_request_error",
    message: "\(LoadedAdapter.mostAtOnce) adapters are loaded. Delete one first.",
    code: "too_many_adapters", shouldRetry: false)
}

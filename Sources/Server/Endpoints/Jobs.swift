// /jobs, /jobs/{id}, /jobs/{id}/events; and the 202 of requests that become one.

import HTTP
import HTTPTypes
import JSON
import Retrieval

struct Jobs: Sendable {
  let state: ServerState
  let board: JobBoard

  /// Those that run, then the last ones that have ended.
  func list(_ request: Request) async throws -> Response {
    let stored = try await state.documentStore().jobs()
    let running = board.running
    let ids = Set(running.map(\.id))
    let jobs =
      running.sorted { $0.createdAt > $1.createdAt } + stored.filter { !ids.contains($0.id) }
    return try .json(["jobs": .array(jobs.map(\.json))] as JSONValue)
  }

  func get(_ request: Request) async throws -> Response {
    try .json(try await job(of: request).json)
  }

  /// A job that has ended stays as it ended.
  func cancel(_ request: Request) async throws -> Response {
    _ = await board.cancel(request.jobID)
    return try await get(request)
  }

  /// The job each time that it has got on, and once it has ended.
  func events(_ request: Request) async throws -> Response {
    guard let updates = board.watch(request.jobID) else {
      let ended = try await job(of: request)
      return ServerSentEvents.response { events in
        try await events.data(ended.json.serialized())
        try await events.done()
      }
    }
    return ServerSentEvents.response { events in
      for await job in updates { try await events.data(job.json.serialized()) }
      try Task.checkCancellation()
      try await events.done()
    }
  }

  private func job(of request: Request) async throws -> Job {
    if let job = board.running(request.jobID) { return job }
    guard let job = try await state.documentStore().job(request.jobID) else {
      throw APIError.notFound(
        "There is no job '\(request.jobID)'; only the last ones are kept.", param: "id",
        code: "job_not_found")
    }
    return job
  }
}

extension Request {
  fileprivate var jobID: String { parameters["id"] ?? "" }

  /// Whether the client won't wait: `wait` is false, or `Prefer: respond-async` (RFC 7240, 4.1).
  /// - Parameter wait: as given in the query or a form.
  func wantsJob(wait: String?) throws(APIError) -> Bool {
    switch wait {
    case nil: break
    case "false", "0": return true
    case "true", "1": return false
    case let wait?: throw .invalid("wait is '\(wait)', expected true or false.", param: "wait")
    }
    let preferences = headers[.prefer]?.lowercased().split { $0 == "," || $0 == ";" } ?? []
    return preferences.contains { $0.trimmingSpaces == "respond-async" }
  }
}

extension Response {
  /// 202 with where to ask.
  static func accepted(_ job: Job) throws -> Response {
    var response = try json(job.json, status: .accepted)
    response.headers[.location] = "/jobs/\(job.id)"
    response.headers[.preferenceApplied] = "respond-async"
    return response
  }
}

extension HTTPField.Name {
  /// Constants that are tokens; the fallbacks are never reached.
  static let prefer = HTTPField.Name("Prefer") ?? .accept
  static let preferenceApplied = HTTPField.Name("Preference-Applied") ?? .vary
}

extension Substring {
  fileprivate var trimmingSpaces: Substring {
    drop { $0 == " " }.prefix { $0 != " " }
  }
}

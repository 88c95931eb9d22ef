// Work that is done as a job: begun, watched, and its answer taken at the end. What was done stays
// when the command is stopped, and the same command goes on from there.

import JSON

extension APIClient {
  /// The answer that the request would have had without being a job.
  /// - Parameter progress: told the share that is done, from 0 to 1; nil where nobody looks
  func perform(
    _ path: String, _ body: JSONValue, progress: (@Sendable (Double) -> Void)?
  ) async throws -> JSONValue {
    let job = try await post(path + "?wait=false", body)
    guard let id = job["id"]?.string else {
      throw CommandFailure.failure("the server's answer is no job: \(job)")
    }
    try await follow("/jobs/\(id)/events") { job in
      let total = max(1, job["total"]?.int ?? 1)
      progress?(min(0.99, Double(job["done"]?.int ?? 0) / Double(total)))
    }
    progress?(1)
    let ended = try await get("/jobs/\(id)")
    guard let result = ended["result"], !result.isNull else {
      let message = ended["error"]?["message"]?.string
      throw CommandFailure.failure(
        message ?? "the work was \(ended["state"]?.string ?? "not finished")")
    }
    return result
  }
}

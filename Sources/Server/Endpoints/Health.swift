// GET /livez: the process answers. GET /health, /healthz, /readyz: requests can be answered; 503
// with a reason before and while draining, and when the engine has work but makes no progress.

import HTTP
import HTTPTypes
import JSON

struct Health: Sendable {
  /// An engine step of a large model on a slow machine takes seconds; minutes mean it is stuck.
  static let stallSeconds = 120.0

  let state: ServerState

  func live(_ request: Request) throws -> Response {
    try .json(JSONValue(["status": "ok"] as JSONObject))
  }

  func ready(_ request: Request) throws -> Response {
    guard let reason = reasonNotReady() else {
      return try .json(JSONValue(["status": "ok"] as JSONObject))
    }
    return try .json(
      JSONValue(["status": "unavailable", "reason": .string(reason)] as JSONObject),
      status: .serviceUnavailable)
  }

  private func reasonNotReady() -> String? {
    switch state.phase {
    case .loading: return "loading models"
    case .draining: return "shutting down"
    case .ready: break
    }
    if let idle = state.chat?.engine.statistics.secondsSinceProgress, idle > Self.stallSeconds {
      return "no progress in generation for \(Int(idle)) seconds"
    }
    return nil
  }
}

extension JSONValue {
  init(_ object: JSONObject) { self = .object(object) }
}

// What keeps a model from being fetched or found, each in words that say what to do. `isTransient` tells
// what may go away by itself.

import Glibc
package import HTTP

package enum HubError: Error, Sendable {
  case invalidReference(String, reason: String)
  case invalidSetting(String, reason: String)
  case notFound(model: String, hasToken: Bool)
  case revisionNotFound(model: String, revision: String)
  case fileNotFound(model: String, file: String)
  case gated(model: String, page: String, hasToken: Bool)
  case tokenRefused(host: String)
  case forbidden(model: String, message: String?)
  /// 429 and what servers answer while something is wrong with them.
  case busy(host: String, status: Int, retryAfterSeconds: Int?)
  case unexpectedStatus(url: String, status: Int, message: String?)
  case malformedAnswer(url: String, reason: String)
  case network(host: String, HTTPError)
  case unsafeFileName(String)
  case noWeights(model: String)
  case noSuchVariant(model: String, variant: String?, available: [String])
  case ambiguousVariant(model: String, variant: String, files: [String])
  case nothingSelected(model: String)
  case notCached(model: String, directory: String)
  case outOfSpace(directory: String, neededBytes: Int, availableBytes: Int)
  case wrongContent(file: String)
  case fileFailure(path: String, code: Int32)

  /// Worth another try after a while.
  var isTransient: Bool {
    switch self {
    case .busy: true
    case .network(_, let error): error.isTransient
    default: false
    }
  }

  var retryAfterSeconds: Int? {
    if case .busy(_, _, let seconds) = self { seconds } else { nil }
  }
}

extension HTTPError {
  fileprivate var isTransient: Bool {
    switch self {
    case .badURL, .proxy: false
    case .clientGone, .badResponse: true
    case .transport(let error):
      switch error {
      case .untrustedCertificate, .unusableCertificates, .cannotUseTLS: false
      default: true
      }
    }
  }
}

extension HubError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalidReference(let text, let reason): return "'\(text)' names no model: \(reason)"
    case .invalidSetting(let place, let reason): return "\(place): \(reason)"
    case .notFound(let model, let hasToken):
      return "there is no model '\(model)', or it is private"
        + (hasToken
          ? " and your token gives no access to it" : ": check the name, or \(Self.tokenHint)")
    case .revisionNotFound(let model, let revision):
      return "\(model) has no revision '\(revision)': name a branch, tag or commit of it"
    case .fileNotFound(let model, let file): return "\(model) has no file \(file)"
    case .gated(let model, let page, let hasToken):
      return "\(model) is given only to those who accept its conditions: do so at \(page), "
        + (hasToken ? "with the account that your token belongs to" : "then \(Self.tokenHint)")
    case .tokenRefused(let host):
      return "\(host) refuses your access token: it is wrong or has expired; \(Self.tokenHint)"
    case .forbidden(let model, let message):
      return "access to \(model) is forbidden: \(message ?? "your token may not read it")"
    case .busy(let host, 429, let seconds):
      return "\(host) answers no more requests for now (429)"
        + (seconds.map { ": try again in \($0) s" } ?? ": try again later")
    case .busy(let host, let status, _):
      return "\(host) can't answer for now (\(status)): try again later"
    case .unexpectedStatus(let url, let status, let message):
      return "\(url) answers with status \(status)" + (message.map { ": \($0)" } ?? "")
    case .malformedAnswer(let url, let reason):
      return "the answer from \(url) makes no sense: \(reason)"
    case .network(let host, let error): return "\(host) can't be asked: \(error)"
    case .unsafeFileName(let name):
      return
        "the hub lists a file called '\(name)', which would lie outside of the model's folder: refused"
    case .noWeights(let model):
      return "\(model) has no weights that can be loaded (safetensors, PyTorch's .bin or GGUF); "
        + "--include PATTERN fetches its files all the same"
    case .noSuchVariant(let model, let variant, let available):
      return
        (variant.map { "\(model) has no variant '\($0)'" } ?? "\(model) comes in several variants")
        + (available.isEmpty
          ? ": it has no GGUF files"
          : ": name one of them, as \(model):\(available[0]) ("
            + available.joined(separator: ", ") + ")")
    case .ambiguousVariant(let model, let variant, let files):
      return "\(model) has several files of the variant '\(variant)': "
        + files.joined(separator: ", ") + "; choose one with --include"
    case .nothingSelected(let model):
      return "no file of \(model) matches --include and --exclude"
    case .notCached(let model, let directory):
      return "\(model) is not in the cache \(directory): 'martlet pull \(model)' fetches it"
    case .outOfSpace(let directory, let needed, let available):
      return
        "\(directory) has \(Self.megabytes(available)) free and \(Self.megabytes(needed)) are needed: "
        + "make room, or name another place with HF_HUB_CACHE"
    case .wrongContent(let file):
      return
        "\(file) arrived with other content than the hub announces, twice: nothing of it was kept; "
        + "something on the way changes or damages it"
    case .fileFailure(let path, let code):
      return "\(path): " + (strerror(code).map { String(cString: $0) } ?? "error \(code)")
    }
  }

  private static let tokenHint =
    "give an access token in HF_TOKEN or --token-file (https://huggingface.co/settings/tokens)"

  private static func megabytes(_ count: Int) -> String { "\((count + 999_999) / 1_000_000) MB" }
}

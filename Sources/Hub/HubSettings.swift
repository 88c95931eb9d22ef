// Where models come from and go to, as flags and the environment of Hugging Face's tools say: endpoint,
// access token, cache, offline mode, certificates and proxies. Refuses tokens that would not fit into a
// header field, and files that can't be read.

import FoundationEssentials
package import HTTP
import Transport

package struct HubSettings: Sendable {
  package static let defaultEndpoint = "https://huggingface.co"

  /// Without a slash at its end.
  package var endpoint = HubSettings.defaultEndpoint
  package var token: String?
  package var cache: HubCache
  package var isOffline = false
  package var http = HTTPClientConfiguration()

  /// What was given on the command line; nil leaves it to the environment.
  package struct Flags: Sendable {
    package var endpoint: String?
    package var tokenFile: String?
    package var authorityFile: String?
    package var isOffline = false

    package init() {}
  }

  package init(_ flags: Flags, environment: [String: String]) throws(HubError) {
    func value(_ names: String...) -> String? {
      names.lazy.compactMap { environment[$0] }.first { !$0.isEmpty }
    }
    cache = HubCache(environment: environment)
    isOffline =
      flags.isOffline || Self.isTrue(value("HF_HUB_OFFLINE") ?? value("TRANSFORMERS_OFFLINE"))
    if let endpoint = flags.endpoint ?? value("HF_ENDPOINT") {
      do throws(HTTPError) { _ = try HTTPLocation(endpoint) } catch {
        throw .invalidSetting("--endpoint", reason: "\(error)")
      }
      self.endpoint = String(endpoint.trimmed(while: { $0 == "/" }))
    }
    token = try Self.token(flags, environment: environment)
    if let file = flags.authorityFile ?? value("SSL_CERT_FILE") { http.trust = .file(file) }
    do throws(HTTPError) { http.proxies = try ProxySettings(environment: environment) } catch {
      throw .invalidSetting("HTTPS_PROXY", reason: "\(error)")
    }
    // As huggingface_hub and curl have it: a server may be slow, but not silent.
    http.readTimeout = .seconds(30)
  }

  private static func isTrue(_ text: String?) -> Bool {
    ["1", "on", "yes", "true"].contains(text?.lowercased() ?? "")
  }

  private static func token(
    _ flags: Flags, environment: [String: String]
  ) throws(HubError) -> String? {
    func value(_ name: String) -> String? {
      environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }
    if let file = flags.tokenFile { return try checked(read(file), from: file) }
    for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] {
      if let token = value(name) { return try checked(token, from: name) }
    }
    let file = value("HF_TOKEN_PATH") ?? HubCache.home(environment) + "/token"
    guard FileManager.default.fileExists(atPath: file) else { return nil }
    return try checked(read(file), from: file)
  }

  private static func read(_ path: String) throws(HubError) -> String {
    do { return try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw .invalidSetting(path, reason: "the access token can't be read from it")
    }
  }

  /// Messages never quote the token.
  private static func checked(_ text: String, from place: String) throws(HubError) -> String? {
    let token = text.trimmed(while: \.isWhitespace)
    guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw .invalidSetting(
        place, reason: "this is no access token: it has spaces or odd characters")
    }
    return token.isEmpty ? nil : String(token)
  }
}

extension String {
  fileprivate func trimmed(while isDropped: (Character) -> Bool) -> Substring {
    var rest = drop(while: isDropped)
    while let last = rest.last, isDropped(last) { rest.removeLast() }
    return rest
  }
}

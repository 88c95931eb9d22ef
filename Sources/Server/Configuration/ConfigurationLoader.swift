// Merges flags, environment and YAML file into one configuration: flag > environment > file >
// default. Refuses unknown keys and wrong values, naming the place they came from.

import Yams

package enum ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  case malformed(place: String, reason: String)
  case unknownKey(place: String, key: String, suggestion: String?)
  case invalid(place: String, key: String, value: String, expected: String)
  case openToTheNetwork(host: String)
  case keys(path: String, reason: String)

  package var description: String {
    switch self {
    case .unreadable(let path, let reason):
      "The configuration file \(path) can't be read: \(reason)"
    case .malformed(let place, let reason):
      "\(place): \(reason)"
    case .unknownKey(let place, let key, let suggestion):
      "\(place): unknown key '\(key)'" + (suggestion.map { "; did you mean '\($0)'?" } ?? "")
    case .invalid(let place, let key, let value, let expected):
      "\(place): \(key) is '\(value)', expected \(expected)"
    case .openToTheNetwork(let host):
      """
      Refusing to listen on \(host) without API keys: anyone who reaches this address could use \
      the server. Name a key file with --api-key-file, listen on 127.0.0.1, or pass \
      --allow-unauthenticated if something in front of it checks who calls.
      """
    case .keys(let path, let reason):
      "The API key file \(path) \(reason)"
    }
  }
}

extension ServerConfiguration {
  /// - Parameters:
  ///   - flags: values given on the command line, by setting key (`max_sequences`).
  ///   - file: the text of the YAML file and its path for messages.
  package static func load(
    flags: [String: String], environment: [String: String],
    file: (path: String, text: String)? = nil
  ) throws(ConfigurationError) -> ServerConfiguration {
    var configuration = ServerConfiguration()
    if let file {
      for entry in try entries(of: file.text, path: file.path) {
        try entry.setting.set(entry.value, at: entry.place, in: &configuration)
      }
    }
    for setting in Setting.all {
      if let value = environment[setting.environmentVariable] {
        try setting.set(value, at: setting.environmentVariable, in: &configuration)
      }
    }
    for setting in Setting.all {
      if let value = flags[setting.key] {
        try setting.set(value, at: setting.flag, in: &configuration)
      }
    }
    return configuration
  }

  /// Variables that look like settings and are none, with what was probably meant. They stay without
  /// effect: containers set variables of such names that nobody here asked for.
  package static func misspelt(in environment: [String: String]) -> [(name: String, meant: String)]
  {
    let prefix = "MARTLET_"
    let known = Set(Setting.all.map(\.environmentVariable) + otherVariables)
    return environment.keys.sorted().filter { $0.hasPrefix(prefix) && !known.contains($0) }
      .compactMap { name in
        nearestKey(to: name.dropFirst(prefix.count).lowercased()).map {
          (name, prefix + $0.uppercased())
        }
      }
  }

  /// Read elsewhere.
  private static let otherVariables = ["MARTLET_CONFIG", "MARTLET_ISA", "MARTLET_API_KEY"]

  /// The effective settings as the lines of a YAML file.
  package var yaml: String {
    Setting.all.map { "\($0.key): \($0.read(self) ?? "~")" }.joined(separator: "\n") + "\n"
  }

  /// Keys that may stand in the file, in the order of the documentation.
  package static var keys: [String] { Setting.all.map(\.key) }

  private static func entries(
    of text: String, path: String
  ) throws(ConfigurationError) -> [(setting: Setting, value: String, place: String)] {
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      throw .malformed(place: path, reason: "not valid YAML: \(error)")
    }
    guard let node, node.scalar?.string != "" else { return [] }
    guard let mapping = node.mapping else {
      throw .malformed(place: path, reason: "expected keys and values such as 'port: 8080'")
    }
    var result: [(Setting, String, String)] = []
    for (keyNode, valueNode) in mapping {
      let key = keyNode.scalar?.string ?? ""
      let place = keyNode.mark.map { "\(path):\($0.line)" } ?? path
      guard let setting = Setting.all.first(where: { $0.key == key }) else {
        throw .unknownKey(place: place, key: key, suggestion: nearestKey(to: key))
      }
      if setting.isList, let elements = valueNode.sequence {
        let values = elements.compactMap { $0.scalar?.string }
        guard values.count == elements.count else {
          throw .malformed(place: place, reason: "\(key) takes a list of single values")
        }
        result.append((setting, values.joined(separator: ","), place))
        continue
      }
      guard let scalar = valueNode.scalar else {
        throw .malformed(place: place, reason: "\(key) takes a single value, not a list or map")
      }
      // `key: ~` and `key:` leave the default in force.
      if scalar.style == .plain, ["", "~", "null"].contains(scalar.string) { continue }
      result.append((setting, scalar.string, place))
    }
    return result
  }

  /// A known key that differs little enough to be what was meant.
  private static func nearestKey(to key: String) -> String? {
    let candidates = Setting.all.map { ($0.key, editDistance(key, $0.key)) }
    guard let best = candidates.min(by: { $0.1 < $1.1 }), best.1 <= max(1, key.count / 3) else {
      return nil
    }
    return best.0
  }

  /// Levenshtein distance, two rows at a time.
  private static func editDistance(_ a: String, _ b: String) -> Int {
    let b = Array(b)
    var previous = Array(0...b.count)
    for (i, left) in a.enumerated() {
      var current = [i + 1]
      for (j, right) in b.enumerated() {
        current.append(
          min(previous[j + 1] + 1, current[j] + 1, previous[j] + (left == right ? 0 : 1)))
      }
      previous = current
    }
    return previous[b.count]
  }
}

extension Setting {
  fileprivate func set(
    _ value: String, at place: String, in configuration: inout ServerConfiguration
  ) throws(ConfigurationError) {
    if let expected = apply(value, &configuration) {
      throw .invalid(place: place, key: key, value: value, expected: expected.description)
    }
  }
}

// Which modules of a model an adapter was made for, by `target_modules`, `exclude_modules`,
// `layers_to_transform` and `modules_to_save` of adapter_config.json: the rules of peft's
// `check_target_module_exists` (tuners/tuners_utils.py). Refuses patterns that are none.

import Checkpoints
import JSON

struct ModuleSelection: Sendable {
  private let targets: Names
  private let exclusions: Names?
  private let layers: Set<Int>?
  /// In front of a layer's index; none means any.
  private let layerPatterns: [ModulePattern]
  private let modulesToSave: [ModulePattern]

  /// Names of modules: a list of them or of their ends, or a regular expression.
  enum Names: Sendable {
    case list(Set<String>)
    case pattern(ModulePattern)
    /// Every linear module but the output head.
    case allLinear

    /// - Parameter isHidden: whether the module is linear and not the output head
    func contains(_ name: String, isHidden: Bool) -> Bool {
      switch self {
      case .allLinear: return isHidden
      case .pattern(let pattern): return pattern.matches(name)
      case .list(let names):
        if names.contains(name) { return true }
        return name.indices.contains {
          name[$0] == "." && names.contains(String(name[name.index(after: $0)...]))
        }
      }
    }
  }

  init(_ file: ConfigurationFile) throws(ModelError) {
    guard let targets = try file.moduleNames("target_modules", knowsAllLinear: true) else {
      throw file.refusal(
        "target_modules", "it is missing; save the adapter with a peft that writes it")
    }
    self.targets = targets
    exclusions = try file.moduleNames("exclude_modules")
    modulesToSave = try file.strings("modules_to_save").map { name throws(ModelError) in
      try file.pattern(name + "(?:\\..*)?", after: "(?:.*\\.)?", key: "modules_to_save")
    }
    layers = try file.layerIndices("layers_to_transform")
    layerPatterns = try file.strings("layers_pattern").map { name throws(ModelError) in
      try file.pattern(name, key: "layers_pattern")
    }
    if case .list = targets { return }
    guard layers == nil, layerPatterns.isEmpty else {
      throw file.refusal("layers_to_transform", "it needs target_modules to be a list")
    }
  }

  /// - Parameter isHidden: whether the module is linear and not the output head
  func contains(_ name: String, isHidden: Bool) -> Bool {
    if let exclusions, exclusions.contains(name, isHidden: isHidden) { return false }
    if modulesToSave.contains(where: { $0.matches(name) }) { return false }
    guard targets.contains(name, isHidden: isHidden) else { return false }
    guard let layers, case .list(let names) = targets, !names.contains(name) else { return true }
    return layerIndex(of: name).map(layers.contains) ?? false
  }

  /// The first number in a name that stands between two other parts of it, behind a part that is a
  /// layer pattern where there are any.
  private func layerIndex(of name: String) -> Int? {
    let parts = name.split(separator: ".")
    guard parts.count > 2 else { return nil }
    for index in 1..<parts.count - 1 {
      guard let layer = Int(parts[index]) else { continue }
      let isLayer =
        layerPatterns.isEmpty
        ? index >= 2 : layerPatterns.contains { $0.matches(String(parts[index - 1])) }
      if isLayer { return layer }
    }
    return nil
  }
}

extension ConfigurationFile {
  /// A list of names or one regular expression; nil where the key is absent.
  func moduleNames(_ key: String, knowsAllLinear: Bool = false) throws(ModelError)
    -> ModuleSelection.Names?
  {
    guard let value = self[key] else { return nil }
    if let text = value.string {
      if knowsAllLinear, text.lowercased() == "all-linear" { return .allLinear }
      return .pattern(try pattern(text, key: key))
    }
    return .list(Set(try strings(key)))
  }

  /// A list of strings, or one; empty where the key is absent.
  func strings(_ key: String) throws(ModelError) -> [String] {
    guard let value = self[key] else { return [] }
    if let one = value.string { return [one] }
    let strings = value.array?.compactMap(\.string) ?? []
    guard let array = value.array, strings.count == array.count else {
      throw refusal(key, "it must be a list of strings")
    }
    return strings
  }

  func pattern(_ text: String, after prefix: String = "", key: String) throws(ModelError)
    -> ModulePattern
  {
    do throws(ModulePattern.Malformed) { return try ModulePattern(text, after: prefix) } catch {
      throw refusal(key, "'\(text.prefix(80))' is no regular expression: \(error.reason)")
    }
  }

  /// One index or a list of them; nil where there are none.
  fileprivate func layerIndices(_ key: String) throws(ModelError) -> Set<Int>? {
    guard let value = self[key] else { return nil }
    let array = value.array ?? [value]
    let indices = array.compactMap(\.int)
    guard indices.count == array.count else {
      throw refusal(key, "it must be a layer's index or a list of them")
    }
    return indices.isEmpty ? nil : Set(indices)
  }
}

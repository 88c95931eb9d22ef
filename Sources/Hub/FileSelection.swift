// Which of a repository's files are fetched: what loading a model reads, or what `--include` and
// `--exclude` say. Weights in safetensors come before PyTorch's .bin, and those before GGUF; code, and
// weights of other frameworks, are never taken unasked.

import Glibc

package struct FileSelection: Sendable {
  /// Patterns as the shell's, whose `*` also stands for `/`. If there are any, only what one of them
  /// matches is fetched.
  package var include: [String]
  package var exclude: [String]

  package init(include: [String] = [], exclude: [String] = []) {
    self.include = include
    self.exclude = exclude
  }

  private static let safetensors = ".safetensors"
  /// Files of text that tokenizers, templates and configurations are in.
  private static let textSuffixes = [".json", ".jinja", ".model", ".tiktoken"]
  private static let textNames: Set<String> = ["merges.txt", "vocab.txt"]

  func files(among names: [String], of reference: ModelReference) throws(HubError) -> [String] {
    let chosen: [String]
    if !include.isEmpty {
      chosen = names.filter { name in include.contains { Self.matches(name, $0) } }
    } else if reference.variant != nil || Self.isGGUFOnly(names) {
      chosen = try GGUFVariants.files(reference.variant, among: names, model: reference.name)
    } else {
      chosen = try Self.modelFiles(names, model: reference.name)
    }
    let files = chosen.filter { name in !exclude.contains { Self.matches(name, $0) } }
    guard !files.isEmpty else { throw .nothingSelected(model: reference.name) }
    return files
  }

  /// Whether all the weights there are lie in GGUF files.
  static func isGGUFOnly(_ names: [String]) -> Bool {
    names.contains(where: GGUFVariants.isVariant)
      && folders(names).allSatisfy { weights(in: $0, names).isEmpty }
  }

  private static func matches(_ name: String, _ pattern: String) -> Bool {
    fnmatch(pattern.hasSuffix("/") ? pattern + "*" : pattern, name, 0) == 0
  }

  // MARK: Directories in Hugging Face layout

  private static func modelFiles(
    _ names: [String], model: String
  ) throws(HubError) -> [String] {
    var chosen: Set<String> = []
    var hasWeights = false
    for folder in folders(names) {
      let weights = weights(in: folder, names)
      hasWeights = hasWeights || !weights.isEmpty
      let kind =
        weights.contains { $0.hasSuffix(safetensors) } ? "model.safetensors" : "pytorch_model.bin"
      let texts = names.filter { isText($0, in: folder) }.filter { name in
        !name.hasSuffix(".index.json")
          || (!weights.isEmpty && name == "\(folder)\(kind).index.json")
      }
      chosen.formUnion(weights + texts)
    }
    guard hasWeights else { throw .noWeights(model: model) }
    return names.filter { chosen.contains($0) || $0.hasPrefix("additional_chat_templates/") }
  }

  /// The repository itself and the modules of sentence-transformers in it (`1_Pooling/`), each with a
  /// slash at its end but the first.
  private static func folders(_ names: [String]) -> [String] {
    let modules = names.compactMap { name -> String? in
      guard let slash = name.firstIndex(of: "/") else { return nil }
      let folder = name[..<slash]
      let number = folder.prefix(while: \.isNumber)
      return !number.isEmpty && folder.dropFirst(number.count).hasPrefix("_") ? "\(folder)/" : nil
    }
    return [""] + Set(modules).sorted()
  }

  private static func isText(_ name: String, in folder: String) -> Bool {
    guard let local = localName(name, folder) else { return false }
    return textNames.contains(local) || textSuffixes.contains { local.hasSuffix($0) }
  }

  /// The name within a folder; nil for files elsewhere or deeper.
  private static func localName(_ name: String, _ folder: String) -> String? {
    guard name.hasPrefix(folder) else { return nil }
    let local = name.dropFirst(folder.count)
    return local.contains("/") ? nil : String(local)
  }

  /// As transformers looks for them: whole, in shards, then an adapter's.
  private static func weights(in folder: String, _ names: [String]) -> [String] {
    let local = names.compactMap { localName($0, folder) }
    for (stem, suffix) in [("model", safetensors), ("pytorch_model", ".bin")] {
      let whole = local.filter { $0 == stem + suffix }
      let shards = local.filter {
        $0.hasPrefix(stem + "-") && $0.contains("-of-") && $0.hasSuffix(suffix)
      }
      let adapter = local.filter { $0 == "adapter_model" + suffix }
      let found = (whole.isEmpty ? shards : whole) + adapter
      if !found.isEmpty { return found.map { folder + $0 } }
    }
    return []
  }
}

/// GGUF files of one model, each quantised in another way.
enum GGUFVariants {
  /// What Ollama and llama-server take where nothing is said.
  private static let preferred = "Q4_K_M"
  private static let suffix = ".gguf"

  /// Not the encoder of images that lies beside some models.
  static func isVariant(_ name: String) -> Bool {
    name.hasSuffix(suffix) && !name.lowercased().contains("mmproj")
  }

  /// The file, or the parts, of a variant; without one, of the only or the usual one.
  static func files(
    _ variant: String?, among names: [String], model: String
  ) throws(HubError) -> [String] {
    let groups = Dictionary(grouping: names.filter(isVariant), by: stem)
    let wanted = variant.flatMap { $0.lowercased() == "latest" ? nil : $0 }
    if wanted == nil, groups.count == 1, let only = groups.values.first { return only.sorted() }
    let matching = groups.filter { matches($0.key, wanted ?? preferred) }
    guard matching.count < 2 else {
      throw .ambiguousVariant(
        model: model, variant: wanted ?? preferred, files: matching.values.joined().sorted())
    }
    guard let files = matching.values.first else {
      throw .noSuchVariant(
        model: model, variant: variant, available: groups.keys.map(label).sorted())
    }
    return files.sorted()
  }

  /// The name without the number of its part.
  private static func stem(_ name: String) -> String {
    let whole = name.dropLast(suffix.count)
    guard let dash = whole.range(ofLast: "-of-"),
      let start = whole[..<dash.lowerBound].lastIndex(of: "-"),
      whole[dash.upperBound...].allSatisfy(\.isNumber),
      whole[whole.index(after: start)..<dash.lowerBound].allSatisfy(\.isNumber)
    else { return String(whole) }
    return String(whole[..<start])
  }

  /// Whether a file's name, or its folder's, ends with the variant as a word.
  private static func matches(_ stem: String, _ variant: String) -> Bool {
    let variant = variant.lowercased()
    return stem.lowercased().split(separator: "/").suffix(2).contains { part in
      part == variant || "-._".contains { part.hasSuffix("\($0)\(variant)") }
    }
  }

  /// The variant that a name ends with: what follows its last dash or dot.
  private static func label(_ stem: String) -> String {
    let last = stem.split(separator: "/").last ?? ""
    let start = last.lastIndex { $0 == "-" || $0 == "." }
    return String(start.map { last[last.index(after: $0)...] } ?? last)
  }
}

extension Substring {
  fileprivate func range(ofLast text: String) -> Range<Index>? {
    ranges(of: text).last
  }
}

// The parts of a model in memory that adapters change, by the names that transformers' own code has for
// them: a family's checkpoints name and arrange weights so (`CheckpointNames`), and several of our
// layers may be pieces of one module there. Experts and their routers are none of them.

import Checkpoints
import Quantization

/// What a decoder was built of, by `TensorName`'s names.
struct ModelModules: Sendable {
  var linears: [String: Linear] = [:]
  var embedding: WeightMatrix?
  /// Norms, by their width.
  var norms: [String: Int] = [:]
}

struct AdaptableModules: Sendable {
  /// A layer, and which rows of the module are its outputs; nil for all of them.
  struct Piece: Sendable {
    var linear: Linear
    var rows: RowSelection?
  }

  private(set) var pieces: [String: [Piece]] = [:]
  private(set) var all: [String: AdaptableModule] = [:]
  let embedding: String
  let embeddingMatrix: WeightMatrix?
  let head: String

  private static let parts: [LayerPart] = [
    .query, .key, .value, .attentionOutput, .gate, .up, .down,
  ]

  init(_ modules: ModelModules, names: CheckpointNames) {
    embeddingMatrix = modules.embedding
    embedding = names.module(TensorName.embedding)?.name ?? TensorName.embedding
    head = names.module(TensorName.head)?.name ?? TensorName.head
    for (stem, linear) in modules.linears.sorted(by: { $0.key < $1.key }) {
      guard let module = names.module(stem), Self.isAdaptable(stem) else { continue }
      pieces[module.name, default: []].append(Piece(linear: linear, rows: module.part.rows))
      all[module.name] = AdaptableModule(
        kind: stem == TensorName.head ? .head : .linear,
        shape: [module.part.rows?.storedCount ?? linear.outputCount, linear.weight.columns],
        hasBias: linear.bias != nil)
    }
    if let matrix = embeddingMatrix {
      all[embedding] = AdaptableModule(kind: .embedding, shape: [matrix.rows, matrix.columns])
    }
    for (stem, width) in modules.norms {
      guard let module = names.module(stem) else { continue }
      all[module.name] = AdaptableModule(kind: .norm, shape: [width])
    }
  }

  private static func isAdaptable(_ stem: String) -> Bool {
    stem == TensorName.head || parts.contains { stem.hasSuffix("." + $0.rawValue) }
  }
}

extension CheckpointNames {
  /// The module of a layer as transformers names it, without a prefix that not all checkpoints have.
  func module(_ stem: String) -> (name: String, part: StoredPart)? {
    stored(stem + ".weight", prefix: "").map {
      (String($0.name.dropLast(".weight".count)), $0.part)
    }
  }
}

extension ModuleChange {
  /// The part of a change that is of some outputs of the module.
  func piece(_ selection: RowSelection?, count: Int) -> ModuleChange {
    guard let selection else { return self }
    func rows(_ tensor: CheckpointTensor?) -> CheckpointTensor? {
      tensor.map { tensor in
        let columns = tensor.shape.count == 2 ? tensor.shape[1] : 1
        return CheckpointTensor(
          name: tensor.name, path: tensor.path, shape: [count] + tensor.shape.dropFirst(),
          elements: SelectedRows(
            elements: tensor.elements, columns: columns, selection: selection))
      }
    }
    var piece = self
    piece.weight = rows(weight)
    piece.bias = rows(bias)
    if let lowRank, let output = rows(lowRank.output) {
      piece.lowRank?.output = output
      piece.lowRank?.bias = rows(lowRank.bias)
      piece.lowRank?.magnitude = rows(lowRank.magnitude)
    }
    if let scaling, !scaling.multipliesInputs, let factors = rows(scaling.factors) {
      piece.scaling?.factors = factors
    }
    return piece
  }
}

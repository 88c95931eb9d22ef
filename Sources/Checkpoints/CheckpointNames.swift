// How a family's checkpoints name and arrange the tensors that `TensorName` names: under other names,
// several of them fused into one, rows in another order, transposed. Filled in by families. Whoever
// reads a checkpoint asks for `TensorName`'s names and gets matrices as the layers want them.

package struct CheckpointNames: Sendable {
  /// In front of all names: the first one under which the checkpoint has its embeddings.
  package var prefixes: [String]
  package var embedding: String
  package var positions: String
  package var finalNorm: String
  /// Without the prefix where `headHasPrefix` is false.
  package var head: StoredPart
  package var headHasPrefix: Bool
  /// In front of a layer's index.
  package var layers: String
  /// Parts that are called and arranged as `LayerPart` says are left out.
  package var parts: [LayerPart: StoredPart]

  package init(
    prefixes: [String] = [""], embedding: String = TensorName.embedding,
    positions: String = TensorName.positions, finalNorm: String = TensorName.finalNorm,
    head: StoredPart = StoredPart(TensorName.head), headHasPrefix: Bool = true,
    layers: String = TensorName.layers, parts: [LayerPart: StoredPart] = [:]
  ) {
    self.prefixes = prefixes
    self.embedding = embedding
    self.positions = positions
    self.finalNorm = finalNorm
    self.head = head
    self.headHasPrefix = headHasPrefix
    self.layers = layers
    self.parts = parts
  }

  /// Those of the same model saved without the head that makes a language model of it: transformers
  /// then leaves out what it puts in front of the layers' names.
  package var withoutHead: CheckpointNames {
    func short(_ name: String) -> String {
      name.hasPrefix("model.") ? String(name.dropFirst("model.".count)) : name
    }
    var names = self
    names.embedding = short(embedding)
    names.positions = short(positions)
    names.finalNorm = short(finalNorm)
    names.layers = short(layers)
    return names
  }

  /// The stored tensor that a tensor is, or is cut from.
  package func stored(_ name: String, prefix: String) -> (name: String, part: StoredPart)? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let (stem, ending) = (String(name[..<dot]), name[dot...])
    let whole = [
      TensorName.embedding: embedding, TensorName.positions: positions,
      TensorName.finalNorm: finalNorm,
    ]
    if let found = whole[stem] { return (prefix + found + ending, StoredPart(found)) }
    if stem == TensorName.head {
      return ((headHasPrefix ? prefix : "") + head.stem + ending, head)
    }
    guard stem.hasPrefix(TensorName.layers) else { return nil }
    let pieces = stem.dropFirst(TensorName.layers.count).split(separator: ".", maxSplits: 1)
    guard pieces.count == 2 else { return nil }
    let (part, expert) = Self.pattern(String(pieces[1]))
    guard let known = LayerPart(rawValue: part) else { return nil }
    let found = parts[known] ?? StoredPart(part)
    let own = found.stem.split(separator: "*", maxSplits: 1, omittingEmptySubsequences: false)
      .joined(separator: expert)
    return ("\(prefix)\(layers)\(pieces[0]).\(own)\(ending)", found)
  }

  /// `mlp.experts.*.up_proj` and the index of `mlp.experts.7.up_proj`.
  private static func pattern(_ part: String) -> (part: String, expert: String) {
    var pieces = part.split(separator: ".")
    guard let index = pieces.firstIndex(where: { $0.allSatisfy(\.isNumber) }) else {
      return (part, "")
    }
    let expert = String(pieces[index])
    pieces[index] = "*"
    return (pieces.joined(separator: "."), expert)
  }
}

/// A stored tensor and what of it is meant.
package struct StoredPart: Sendable {
  /// Without the prefix, and for a layer's part without what stands before it; a star stands for
  /// an expert's index.
  package var stem: String
  /// Nil for all rows as they are.
  package var rows: RowSelection?
  /// Stored as [columns][rows].
  package var isTransposed = false
  /// Rows are divided by their Euclidean length.
  package var isNormalized = false

  package init(
    _ stem: String, rows: RowSelection? = nil, transposed: Bool = false, normalized: Bool = false
  ) {
    self.stem = stem
    self.rows = rows
    isTransposed = transposed
    isNormalized = normalized
  }

  /// Tells apart what is cut out of one stored tensor.
  package var arrangement: String {
    "\(rows.map { "\($0)" } ?? "") \(isTransposed) \(isNormalized)"
  }
}

/// Rows of a stored matrix (or of a bias), in runs that are evenly apart; within a run, the first
/// `interleaved` rows may be stored as pairs of neighbours of which the layers want all first halves
/// before all second ones.
package struct RowSelection: Sendable, Hashable {
  /// Rows that the stored matrix has.
  package var storedCount: Int
  package var start: Int
  package var run: Int
  /// From the beginning of a run to that of the next one.
  package var stride: Int
  package var interleaved: Int

  package init(storedCount: Int, start: Int = 0, run: Int, stride: Int, interleaved: Int = 0) {
    self.storedCount = storedCount
    self.start = start
    self.run = run
    self.stride = stride
    self.interleaved = interleaved
  }

  /// `count` rows from `start` on.
  package static func slice(start: Int, count: Int, of storedCount: Int) -> RowSelection {
    RowSelection(storedCount: storedCount, start: start, run: count, stride: count)
  }

  package func storedRow(_ row: Int) -> Int {
    var (index, place) = row.quotientAndRemainder(dividingBy: run)
    if place < interleaved {
      let (half, pair) = place.quotientAndRemainder(dividingBy: interleaved / 2)
      place = 2 * pair + half
    }
    index = start + index * stride + place
    return index
  }

  /// Whether `count` rows lie within the stored ones.
  package func isWithin(count: Int) -> Bool {
    start >= 0 && run > 0 && count > 0 && start + (count - 1) / run * stride + run <= storedCount
  }
}

// Unigram: of all ways to cut a word into tokens the one with the greatest sum of scores (Viterbi), as
// in SentencePiece's `EncodeOptimized`, which `tokenizers` follows. A character without a token costs
// 10 more than the worst token; a run of them becomes byte tokens, or one unknown token.

struct Unigram: Sendable {
  /// What SentencePiece calls kUnkPenalty.
  private static let unknownPenalty = 10.0

  let vocabulary: Vocabulary
  /// By id.
  private let scores: [Double]
  private let trie: PrefixTrie
  private let unknownID: Int32?
  private let unknownScore: Double
  private let fallback: ByteFallback
  /// Whether sums of scores are rounded to 32 bits, as SentencePiece has them.
  private let isSinglePrecision: Bool

  /// Reads `"vocab": [["token", score], ...]`, whose order gives the ids.
  init(_ node: ConfigurationNode) throws(TokenizerError) {
    try node.allow(["type", "unk_id", "vocab", "byte_fallback"])
    let list = try node.required("vocab")
    guard list.node.kind == .array else { throw list.malformed("expected an array") }
    var tokens: [(token: [UInt8], score: Double)] = []
    tokens.reserveCapacity(list.node.count)
    try list.node.forEachElement { (element) throws(TokenizerError) in
      guard element.count == 2, let token = element[0]?.string, let score = element[1]?.double,
        score.isFinite
      else { throw list.malformed("element \(tokens.count) is not a token and its score") }
      tokens.append((Array(token.utf8), score))
    }
    guard tokens.count <= Vocabulary.maximumID, tokens.count > 0,
      tokens.reduce(0, { $0 + $1.token.count }) <= PrefixTrie.maximumBytes
    else { throw list.malformed("no tokens, or too many of them") }
    let unknown = try node.optional("unk_id")
    let unknownID = try unknown?.tokenID()
    if let unknown, let unknownID, unknownID >= tokens.count {
      throw unknown.malformed("no token has the id \(unknownID)")
    }
    self.init(
      tokens: tokens, matched: tokens.indices.map { _ in true }, unknownID: unknownID,
      fallsBack: try node.bool("byte_fallback", default: false), isSinglePrecision: false)
  }

  /// `matched` tells for each token whether text can become it, other than as a byte token.
  init(
    tokens: [(token: [UInt8], score: Double)], matched: [Bool], unknownID: Int32?,
    fallsBack: Bool, isSinglePrecision: Bool
  ) {
    vocabulary = Vocabulary(tokens: tokens.map(\.token))
    scores = tokens.map(\.score)
    var trie = PrefixTrie(byteCount: tokens.reduce(0) { $0 + $1.token.count })
    var worst = Double.infinity
    for (id, token) in tokens.enumerated() where matched[id] {
      trie.insert(token.token, Int32(truncatingIfNeeded: id))
      worst = min(worst, token.score)
    }
    self.trie = trie
    self.unknownID = unknownID
    unknownScore = worst - Self.unknownPenalty
    fallback = ByteFallback(vocabulary, isOn: fallsBack)
    self.isSinglePrecision = isSinglePrecision
  }

  // MARK: - Encoding

  /// Appends the ids of one word, `text[range]`; `lattice` is scratch space.
  func encode(
    _ text: [UInt8], _ range: Range<Int>, into ids: inout [Int32], lattice: inout Lattice
  ) {
    findBestPath(text, range, &lattice)
    var end = range.count
    while end > 0 {
      let node = lattice.nodes[end]
      lattice.path.append(Lattice.Step(id: node.id, start: node.start, end: end))
      end = node.start
    }
    var unknown: Range<Int>?
    for step in lattice.path.reversed() {
      if let unknownID, step.id == unknownID {
        unknown = (unknown?.lowerBound ?? step.start)..<step.end
        continue
      }
      if let run = unknown { appendUnknown(text, run, range, &ids) }
      unknown = nil
      if step.id >= 0 { ids.append(step.id) }
    }
    if let run = unknown { appendUnknown(text, run, range, &ids) }
  }

  private func appendUnknown(
    _ text: [UInt8], _ run: Range<Int>, _ word: Range<Int>, _ ids: inout [Int32]
  ) {
    let range = word.lowerBound + run.lowerBound..<word.lowerBound + run.upperBound
    if !isSinglePrecision, let id = vocabulary.id(of: text, in: range) {
      ids.append(id)
    } else if let bytes = fallback.ids(for: text[range]) {
      ids += bytes
    } else if let unknownID {
      ids.append(unknownID)
    }
  }

  /// Positions in the lattice count from the word's start.
  private func findBestPath(_ text: [UInt8], _ range: Range<Int>, _ lattice: inout Lattice) {
    lattice.reset(count: range.count)
    var position = range.lowerBound
    while position < range.upperBound {
      let start = position - range.lowerBound
      let length = min(scalar(in: text, at: position).length, range.upperBound - position)
      let score = lattice.nodes[start].score
      var hasSingle = false
      trie.forEachMatch(in: text, position..<range.upperBound) { end, id in
        hasSingle = hasSingle || end == position + length
        lattice.offer(sum(scores[Int(id)], score), id, start, end - range.lowerBound)
      }
      if !hasSingle {
        lattice.offer(sum(unknownScore, score), unknownID ?? -1, start, start + length)
      }
      position += length
    }
  }

  @inline(__always)
  private func sum(_ score: Double, _ path: Double) -> Double {
    isSinglePrecision ? Double(Float(score) + Float(path)) : score + path
  }
}

/// The best way to each position of a word.
struct Lattice: Sendable {
  struct Node: Sendable {
    var score = 0.0
    /// Where the token that ends here starts, -1 while there is none.
    var start = -1
    var id: Int32 = -1
  }

  struct Step: Sendable {
    let id: Int32
    let start: Int
    let end: Int
  }

  fileprivate var nodes: [Node] = []
  /// The tokens of the best path, the last one first.
  fileprivate var path: [Step] = []

  fileprivate mutating func reset(count: Int) {
    nodes.removeAll(keepingCapacity: true)
    nodes.append(contentsOf: repeatElement(Node(), count: count + 1))
    path.removeAll(keepingCapacity: true)
  }

  /// Of equal scores the first one stays.
  @inline(__always)
  fileprivate mutating func offer(_ score: Double, _ id: Int32, _ start: Int, _ end: Int) {
    if nodes[end].start < 0 || score > nodes[end].score {
      nodes[end] = Node(score: score, start: start, id: id)
    }
  }
}

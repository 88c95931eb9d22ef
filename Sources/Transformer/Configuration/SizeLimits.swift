// Bounds on the numbers of a config.json, checked before anything is allocated or multiplied: far
// above every known model, and small enough that products of any four of them fit into 64 bits.

enum SizeLimits {
  static let vocabulary = 1...(1 << 22)
  static let context = 1...(1 << 27)
  /// Learnt positions: a table in memory.
  static let positions = 1...(1 << 20)
  static let layers = 1...1024
  static let hidden = 1...(1 << 17)
  static let intermediate = 1...(1 << 19)
  static let heads = 1...1024
  static let headDimension = 2...1024
  static let epsilon: ClosedRange<Float> = 0...1
  static let rotaryBase: ClosedRange<Float> = 1...1e12
  static let scalingFactor: ClosedRange<Float> = 1e-3...1e6
  /// Numbers that activations, scores or logits are multiplied with or capped at.
  static let multiplier: ClosedRange<Float> = 0...1e6
  static let experts = 1...4096
}

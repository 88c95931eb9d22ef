// Bounds on the numbers of a config.json, checked before anything is allocated or multiplied: far
// above every known model, and small enough that products of any four of them fit into 64 bits.

package enum SizeLimits {
  package static let vocabulary = 1...(1 << 22)
  package static let context = 1...(1 << 27)
  /// Learnt positions: a table in memory.
  package static let positions = 1...(1 << 20)
  package static let layers = 1...1024
  package static let hidden = 1...(1 << 17)
  package static let intermediate = 1...(1 << 19)
  package static let heads = 1...1024
  package static let headDimension = 2...1024
  package static let epsilon: ClosedRange<Float> = 0...1
  package static let rotaryBase: ClosedRange<Float> = 1...1e12
  package static let scalingFactor: ClosedRange<Float> = 1e-3...1e6
  /// Numbers that activations, scores or logits are multiplied with or capped at.
  package static let multiplier: ClosedRange<Float> = 0...1e6
  package static let experts = 1...4096
}

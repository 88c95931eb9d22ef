// How a tensor's bytes stand for numbers: one implementation per way of storing weights. Relies on
// sizes having been checked when it was made, so that reading cannot fail.

package protocol TensorElements: Sendable {
  /// The format that holds the elements as they are.
  var format: WeightFormat { get }
  /// What the file calls their type, for display.
  var typeName: String { get }

  /// Converts a range of elements, in row-major order, to float32; quickest for whole rows.
  func read(_ elements: Range<Int>, into output: UnsafeMutablePointer<Float>)
}

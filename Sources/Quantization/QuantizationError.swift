// What a weight matrix refuses. The model loader, which knows the tensor's name and file, wraps it.

package enum QuantizationError: Error, Equatable, CustomStringConvertible {
  case unsupportedShape(rows: Int, columns: Int, format: WeightFormat)
  case scalesWithoutSteps

  package var description: String {
    switch self {
    case .unsupportedShape(let rows, let columns, let format):
      "A matrix of \(rows) x \(columns) cannot be kept as \(format.rawValue): its width must be a "
        + "positive multiple of \(format.groupSize). Keep it in a float format."
    case .scalesWithoutSteps:
      "A row's scales are no whole steps, at most 127, of one number. Quantise the model again."
    }
  }
}

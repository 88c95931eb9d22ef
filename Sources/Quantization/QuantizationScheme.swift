// How a float checkpoint is kept in memory: which format each kind of matrix gets. Norms and biases
// are float32 in all of them. A matrix whose width is no multiple of the format's group stays in
// the element type that it is stored in.

package enum QuantizationScheme: String, Sendable, CaseIterable {
  /// Everything in float32, as is the KV cache: the reference.
  case none
  case int8
  case int4
  /// bitsandbytes' codes, double-quantised; head and embeddings are int8, as with int4.
  case nf4

  /// Stepped scales come for so many columns at a time: filling up a row would cost more than they save.
  private static let steppedColumns = 128

  package enum Role: Sendable, Hashable {
    case linear, embedding, head
    /// Small, and much hangs on it: routers of experts, tables of positions.
    case kept
  }

  /// The format of a matrix that is stored as `stored`.
  /// - Parameter keepsQuantized: whatever is stored quantised stays as it is
  package func format(
    of role: Role, columns: Int, stored: WeightFormat, keepsQuantized: Bool = false
  ) -> WeightFormat {
    if keepsQuantized, stored.isQuantized { return stored }
    let wanted: WeightFormat =
      switch (self, role) {
      case (.none, _): .float32
      case (_, .kept): stored
      case (.int8, _): .int8
      case (.int4, .linear) where stored.isInt4: stored
      case (.int4, .linear): columns % Self.steppedColumns == 0 ? .int4Stepped : .int4
      case (.nf4, .linear): .nf4
      case (.int4, _), (.nf4, _): .int8
      }
    return wanted.supports(columns: columns) ? wanted : stored
  }

  /// Keys and values in float16.
  package var halfPrecisionCache: Bool { self != .none }
}

// Elements of a tensor that a checkpoint stores quantised. Where one of this program's formats holds
// them exactly, their codes can be taken over as they are; everything else is read as float32.

package protocol QuantizedElements: TensorElements {
  /// The format that takes the codes as they are; nil where none does.
  var exactFormat: WeightFormat? { get }

  /// Whole rows in the exact format: codes, one to a byte, and float16 scales per group, as
  /// `martlet_pack_tile` takes them.
  func readCodes(
    rows: Range<Int>, codes: UnsafeMutablePointer<UInt8>, scales: UnsafeMutablePointer<UInt16>)

  /// Of nf4: the scales before they were rounded to float16.
  func writeAbsmax(into absmax: NF4Absmax)
}

extension QuantizedElements {
  package var format: WeightFormat { exactFormat ?? .float32 }

  package func writeAbsmax(into absmax: NF4Absmax) {}
}

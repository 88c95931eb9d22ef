// How a text encoder multiplies. Norms, attention and all sums are float32 either way.

import CKernels
import Compute

package enum EncoderPrecision: String, Sendable, CaseIterable {
  /// The reference.
  case float32
  /// Weights, and what they are multiplied with, are rounded to bfloat16: about twice as quick, vectors
  /// whose cosine to the reference's is above .9999. Where the processor has no such products, as
  /// float32.
  case bfloat16

  /// What the processor does quickest.
  package static var preferred: EncoderPrecision {
    kernels.multiplies_pairs ? .bfloat16 : .float32
  }

  var format: WeightFormat {
    self == .bfloat16 && kernels.multiplies_pairs ? .bfloat16Pairs : .float32
  }
}

// How a text encoder multiplies. Norms, attention and all sums are float32 either way.

import CKernels
import Compute
import ModelFamilies
import Quantization

package enum EncoderPrecision: String, Sendable, CaseIterable {
  /// The reference.
  case float32
  /// Weights, and what they are multiplied with, are rounded to bfloat16: about twice as quick, vectors
  /// whose cosine to the reference's is above .9999. Where the processor has no such products, as
  /// float32.
  case bfloat16

  /// bfloat16 where the processor multiplies it and norms follow the residual sums. Sums that no norm
  /// brings back, as ModernBERT's, carry the rounding of every layer: cosines fell below .9999.
  static func preferred(for configuration: TextEncoderConfiguration) -> EncoderPrecision {
    kernels.multiplies_pairs && configuration.norm == .after ? .bfloat16 : .float32
  }

  var format: WeightFormat {
    self == .bfloat16 && kernels.multiplies_pairs ? .bfloat16Pairs : .float32
  }
}

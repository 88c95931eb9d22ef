// How a text encoder multiplies. Norms, attention and all sums are float32 either way.

import CKernels
import Compute
import ModelFamilies
import Quantization

package enum EncoderPrecision: String, Sendable, CaseIterable {
  /// The reference.
  case float32
  /// Weights are rounded to bfloat16 and, where the processor is quick with products of such pairs, what
  /// they are multiplied with, too: vectors whose cosine to the reference's is above .9999 in half the
  /// memory, up to twice as quick.
  case bfloat16

  /// bfloat16 where norms follow the residual sums. Sums that no norm brings back, as ModernBERT's, carry
  /// the rounding of every layer: cosines fell below .9999.
  static func preferred(for configuration: TextEncoderConfiguration) -> EncoderPrecision {
    configuration.norm == .after ? .bfloat16 : .float32
  }

  var format: WeightFormat {
    switch self {
    case .float32: .float32
    case .bfloat16: kernels.multiplies_pairs ? .bfloat16Pairs : .bfloat16
    }
  }
}

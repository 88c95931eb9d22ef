// Rotary position embedding: which angle turns which pair of values. Frequencies and angles are
// computed in float32 in the order of operations of transformers' modeling_rope_utils.py: rounding
// them otherwise moves logits visibly after some hundred tokens. Refuses scalings it does not know.

import Glibc

package struct RotaryEmbedding: Sendable, Hashable {
  package enum Layout: Sendable, Hashable {
    /// Value i is turned with value i + d/2.
    case halfSplit
  }

  package enum Scaling: Sendable, Hashable {
    case none
    /// Positions divided by a factor.
    case linear(factor: Float)
    /// Long wavelengths divided by a factor, short ones kept, those between blended.
    case llama3(
      factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Float)
    /// Each pair's frequency divided by a factor of its own, as GGUF files have them.
    case factors([Float])
  }

  package var layout: Layout = .halfSplit
  package var base: Float
  package var scaling: Scaling

  /// Radians per position, for each of the d/2 pairs.
  func inverseFrequencies(headDimension: Int) -> [Float] {
    let plain = stride(from: 0, to: headDimension, by: 2).map { index in
      1 / powf(base, Float(index) / Float(headDimension))
    }
    switch scaling {
    case .none: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .factors(let factors): return zip(plain, factors).map { $0 / $1 }
    case .llama3(let factor, let low, let high, let original):
      return plain.map { frequency in
        let wavelength = 2 * Float.pi / frequency
        if wavelength < original / high { return frequency }
        if wavelength > original / low { return frequency / factor }
        let smooth = (original / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
      }
    }
  }
}

extension RotaryEmbedding {
  /// Reads version 5's `rope_parameters`, or `rope_theta` and `rope_scaling` as before it.
  init(_ file: ConfigurationFile) throws(ModelError) {
    let parameters = try file.object("rope_parameters")
    var scaling = parameters
    if scaling == nil { scaling = try file.object("rope_scaling") }
    let base = try parameters?.float("rope_theta", in: SizeLimits.rotaryBase)
    let oldBase = try file.float("rope_theta", in: SizeLimits.rotaryBase)
    self.init(base: base ?? oldBase ?? 10_000, scaling: try Self.scaling(scaling))
  }

  private static func scaling(_ object: ConfigurationFile?) throws(ModelError) -> Scaling {
    guard let object else { return .none }
    let oldName = try object.string("type")
    let name = try object.string("rope_type") ?? oldName ?? "default"
    func required(_ key: String, _ limits: ClosedRange<Float>) throws(ModelError) -> Float {
      guard let value = try object.float(key, in: limits) else {
        throw object.refusal(key, "it is missing, and rope_type \(name) needs it")
      }
      return value
    }
    switch name {
    case "default":
      return .none
    case "linear":
      return .linear(factor: try required("factor", SizeLimits.scalingFactor))
    case "llama3":
      let low = try required("low_freq_factor", SizeLimits.scalingFactor)
      let high = try required("high_freq_factor", SizeLimits.scalingFactor)
      guard high > low else {
        throw object.refusal("high_freq_factor", "\(high) is not above low_freq_factor \(low)")
      }
      let context = try object.requiredInteger(
        "original_max_position_embeddings", in: SizeLimits.context)
      return .llama3(
        factor: try required("factor", SizeLimits.scalingFactor), lowFrequencyFactor: low,
        highFrequencyFactor: high, originalContext: Float(context))
    case "factors":
      let factors = object["factors"]?.array?.compactMap(\.double).map(Float.init) ?? []
      guard factors.allSatisfy(SizeLimits.scalingFactor.contains) else {
        throw object.refusal("factors", "they must be positive numbers")
      }
      return .factors(factors)
    default:
      throw object.unsupported("rope_type", name, supported: ["default", "linear", "llama3"])
    }
  }
}

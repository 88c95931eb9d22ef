// What config.json says of rotary embeddings, in both generations of keys: version 5's
// `rope_parameters`, or `rope_theta` and `rope_scaling` as before it. Refuses scalings that it does
// not know, and ones that lack a number they need.

import Checkpoints
import Glibc
import JSON

extension RotaryEmbedding {
  /// What a model class of transformers assumes where config.json says nothing.
  struct Defaults {
    var base: Float = 10_000
    /// The share of a head's values that is turned.
    var share: Float = 1
    /// Names of scalings that the class takes for others.
    var aliases: [String: String] = [:]
  }

  /// - Parameter layerType: whose member of nested `rope_parameters` is read
  init(
    _ file: ConfigurationFile, headDimension: Int, defaults: Defaults = Defaults(),
    layerType: String? = nil
  ) throws(ModelError) {
    var parameters = try file.object("rope_parameters")
    if let layerType, let all = parameters { parameters = try all.object(layerType) }
    var scaling = parameters
    if scaling == nil { scaling = try file.object("rope_scaling") }
    let base = try parameters?.float("rope_theta", in: SizeLimits.rotaryBase)
    let oldBase = try file.float("rope_theta", in: SizeLimits.rotaryBase)
    let share = try scaling?.float("partial_rotary_factor", in: 0...1)
    let oldShare = try file.float("partial_rotary_factor", in: 0...1)
    let width = Int(Float(headDimension) * (share ?? oldShare ?? defaults.share))
    guard width >= 2, width % 2 == 0 else {
      throw file.refusal(
        "partial_rotary_factor", "\(width) values of a head cannot be split into pairs")
    }
    self.init(width: width, base: base ?? oldBase ?? defaults.base, scaling: .none)
    if let scaling { try read(scaling, of: file, aliases: defaults.aliases) }
  }

  private mutating func read(
    _ object: ConfigurationFile, of file: ConfigurationFile, aliases: [String: String]
  ) throws(ModelError) {
    let oldName = try object.string("type")
    let given = try object.string("rope_type") ?? oldName ?? "default"
    let name = aliases[given] ?? given
    let reader = ScalingReader(object: object, file: file, name: name)
    switch name {
    case "default": scaling = .none
    case "linear": scaling = .linear(factor: try reader.factor())
    case "llama3": scaling = try reader.llama3()
    case "dynamic":
      guard width > 2 else { throw object.refusal("rope_type", "dynamic needs more than a pair") }
      scaling = .dynamic(
        factor: try reader.factor(),
        originalContext: try file.requiredInteger("max_position_embeddings", in: SizeLimits.context)
      )
    case "yarn":
      scaling = try reader.yarn(width: width, base: base)
      magnitude = try reader.yarnMagnitude()
    case "longrope":
      scaling = try reader.long(pairs: width / 2)
      magnitude = try reader.longMagnitude()
    case "factors": scaling = .factors(try reader.factors("factors", count: width / 2))
    default:
      throw object.unsupported(
        "rope_type", name,
        supported: ["default", "linear", "dynamic", "llama3", "yarn", "longrope"])
    }
  }
}

/// Reads what one kind of scaling needs.
private struct ScalingReader {
  let object: ConfigurationFile
  let file: ConfigurationFile
  let name: String

  func required(_ key: String, _ limits: ClosedRange<Float> = SizeLimits.scalingFactor)
    throws(ModelError) -> Float
  {
    guard let value = try object.float(key, in: limits) else {
      throw object.refusal(key, "it is missing, and rope_type \(name) needs it")
    }
    return value
  }

  func factor() throws(ModelError) -> Float { try required("factor") }

  /// Models that have the key beside the scaling mean that one, as in transformers.
  func originalContext() throws(ModelError) -> Int {
    let key = "original_max_position_embeddings"
    if let context = try file.integer(key, in: SizeLimits.context) { return context }
    if let context = try object.integer(key, in: SizeLimits.context) { return context }
    return try file.requiredInteger("max_position_embeddings", in: SizeLimits.context)
  }

  /// The factor, or by how much the context was stretched.
  private func stretch() throws(ModelError) -> Float {
    if let factor = try object.float("factor", in: SizeLimits.scalingFactor) { return factor }
    let context = try file.requiredInteger("max_position_embeddings", in: SizeLimits.context)
    return Float(context) / Float(try originalContext())
  }

  func llama3() throws(ModelError) -> RotaryEmbedding.Scaling {
    let (low, high) = (try required("low_freq_factor"), try required("high_freq_factor"))
    guard high > low else {
      throw object.refusal("high_freq_factor", "\(high) is not above low_freq_factor \(low)")
    }
    return .llama3(
      factor: try factor(), lowFrequencyFactor: low, highFrequencyFactor: high,
      originalContext: Float(try originalContext()))
  }

  func yarn(width: Int, base: Float) throws(ModelError) -> RotaryEmbedding.Scaling {
    let original = Double(try originalContext())
    func border(_ rotations: Double) -> Double {
      Double(width) * log(original / (rotations * 2 * .pi)) / (2 * log(Double(base)))
    }
    guard base > 1 else { throw file.refusal("rope_theta", "yarn needs more than 1") }
    guard object.root["factor"] != nil else {
      throw object.refusal("factor", "it is missing, and rope_type yarn needs it")
    }
    let fast = try object.float("beta_fast", in: SizeLimits.scalingFactor) ?? 32
    let slow = try object.float("beta_slow", in: SizeLimits.scalingFactor) ?? 1
    var (low, high) = (border(Double(fast)), border(Double(slow)))
    if try object.bool("truncate") ?? true { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    (low, high) = (max(low, 0), min(high, Double(width - 1)))
    if low == high { high += 0.001 }  // prevents a division by zero
    return .yarn(factor: try stretch(), low: Float(low), high: Float(high))
  }

  func yarnMagnitude() throws(ModelError) -> Float {
    if let given = try object.float("attention_factor", in: SizeLimits.scalingFactor) {
      return given
    }
    let factor = Double(try stretch())
    func magnitude(_ weight: Double) -> Double {
      factor <= 1 ? 1 : 0.1 * weight * log(factor) + 1
    }
    let one = try object.float("mscale", in: SizeLimits.multiplier) ?? 0
    let all = try object.float("mscale_all_dim", in: SizeLimits.multiplier) ?? 0
    guard one != 0, all != 0 else { return Float(magnitude(1)) }
    return Float(magnitude(Double(one)) / magnitude(Double(all)))
  }

  func long(pairs: Int) throws(ModelError) -> RotaryEmbedding.Scaling {
    .long(
      short: try factors("short_factor", count: pairs),
      long: try factors("long_factor", count: pairs), originalContext: try originalContext())
  }

  func longMagnitude() throws(ModelError) -> Float {
    if let given = try object.float("attention_factor", in: SizeLimits.scalingFactor) {
      return given
    }
    let (factor, original) = (Double(try stretch()), Double(try originalContext()))
    return factor <= 1 || original <= 1 ? 1 : Float((1 + log(factor) / log(original)).squareRoot())
  }

  func factors(_ key: String, count: Int) throws(ModelError) -> [Float] {
    let factors = object[key]?.array?.compactMap(\.double).map(Float.init) ?? []
    guard factors.count == count, factors.allSatisfy(SizeLimits.scalingFactor.contains) else {
      throw object.refusal(key, "it must list \(count) positive numbers, one per rotated pair")
    }
    return factors
  }
}

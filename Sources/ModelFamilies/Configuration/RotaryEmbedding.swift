// Rotary position embedding: which angle turns which pair of values. Frequencies and angles are
// computed in float32 in the order of operations of transformers' modeling_rope_utils.py: rounding
// them otherwise moves logits visibly after some hundred tokens. Value i is turned with value
// i + width / 2; checkpoints that pair neighbours have their rows put into that order when read.

import Glibc

package struct RotaryEmbedding: Sendable, Hashable {
  package enum Scaling: Sendable, Hashable {
    case none
    /// Positions divided by a factor.
    case linear(factor: Float)
    /// The base grows with the position once that is beyond the original context.
    case dynamic(factor: Float, originalContext: Int)
    /// Long wavelengths divided by a factor, short ones kept, those between blended.
    case llama3(
      factor: Float, lowFrequencyFactor: Float, highFrequencyFactor: Float, originalContext: Float)
    /// The same with the borders between `low` and `high`, counted in pairs (arXiv:2309.00071).
    case yarn(factor: Float, low: Float, high: Float)
    /// Each pair's frequency divided by a factor of its own, as GGUF files have them.
    case factors([Float])
    /// The same with other factors for sequences that are longer than the original context.
    case long(short: [Float], long: [Float], originalContext: Int)
  }

  /// The first so many values of each head are turned, an even number.
  package var width: Int
  package var base: Float
  package var scaling: Scaling
  /// Cosines and sines are multiplied with it, and with them scores with its square.
  package var magnitude: Float = 1

  /// Radians per position, for each of the width/2 pairs, of a sequence within the original context.
  package var inverseFrequencies: [Float] {
    let plain = inverseFrequencies(base: base)
    switch scaling {
    case .none, .dynamic: return plain
    case .linear(let factor): return plain.map { $0 / factor }
    case .factors(let factors): return zip(plain, factors).map { $0 / $1 }
    case .long(let factors, _, _): return inverseFrequencies(dividedBy: factors)
    case .yarn(let factor, let low, let high):
      return plain.enumerated().map { index, frequency in
        let ramp = min(max((Float(index) - low) / (high - low), 0), 1)
        let kept = 1 - ramp
        return 1 / (factor * (1 / frequency)) * (1 - kept) + frequency * kept
      }
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

  private func inverseFrequencies(base: Float) -> [Float] {
    stride(from: 0, to: width, by: 2).map { 1 / powf(base, Float($0) / Float(width)) }
  }

  private func inverseFrequencies(dividedBy factors: [Float]) -> [Float] {
    factors.enumerated().map { index, factor in
      1 / (factor * powf(base, Float(2 * index) / Float(width)))
    }
  }

  /// Radians per position for the token at a position, where they differ from
  /// `inverseFrequencies`; nil where they don't.
  ///
  /// transformers works such frequencies out anew in every forward pass, from the length of what
  /// has been seen by then, and leaves the keys in its cache as they are. What is left of that when
  /// a token's key must not depend on how its prompt was cut:
  /// - `dynamic`: a token is turned as if the sequence ended with it. That is what transformers
  ///   does with tokens that come one by one; a prompt beyond the original context is turned by it
  ///   as a whole with the frequencies of its last token.
  /// - `long`: all tokens are turned by the factors that the length of the sequence asks for, prompt
  ///   and answer so far, as in transformers; a sequence that grows beyond the original context has
  ///   all of its keys computed anew, as transformers' generate does.
  /// - Parameters:
  ///   - position: of the token
  ///   - length: of its sequence
  package func inverseFrequencies(position: Int, length: Int) -> [Float]? {
    switch scaling {
    case .long(_, let factors, let original) where length > original:
      return inverseFrequencies(dividedBy: factors)
    case .dynamic(let factor, let original) where position >= original:
      let share = factor * Float(position + 1) / Float(original) - (factor - 1)
      return inverseFrequencies(base: base * powf(share, Float(width) / Float(width - 2)))
    default: return nil
    }
  }

  /// Whether frequencies are the same for all tokens of a sequence but depend on its length, and
  /// from which length on the others apply.
  // Not inlined: the optimiser of Swift 6.3 crashes on what becomes of this in loops.
  @inline(never) package var lengthLimit: Int? {
    if case .long(_, _, let original) = scaling { original } else { nil }
  }
}

// Up to 128 postings of one word, packed: row gaps, then frequencies, each with the fewest bits that
// hold the greatest of them. The block says where they lie, which row is its last, and what its best
// row could score at most, so that a search can pass by without unpacking.

import CKernels

struct PostingsBlock: BitwiseCopyable {
  static let capacity = 128
  /// Greater ones are cut to this, which changes no score that one could see.
  static let maximumFrequency = UInt32(UInt16.max)
  static let impactCount = 4

  /// In the packed bytes.
  var offset: UInt64
  /// Of the first posting's positions.
  var positionOffset: UInt64
  /// For every posting there is an impact with at least its frequency and at most its length.
  var impactFrequencies: SIMD4<UInt16>
  var impactLengths: SIMD4<UInt16>
  var lastRow: UInt32
  var rowBits: UInt8
  var frequencyBits: UInt8
  var count: UInt8
  /// Fills the last byte, so that equal indexes have equal snapshots.
  var padding: UInt8 = 0

  /// At least the score of each of its rows.
  func bound(_ scorer: martlet_bm25) -> Int32 {
    let frequencies = SIMD4<Float>(impactFrequencies)
    let norms = scorer.constant + scorer.slope * SIMD4<Float>(impactLengths)
    // The factor is for rounding, here and in the kernel.
    let scores = scorer.weight * frequencies / (frequencies + norms) * 1.000_001
    return Int32(scores.max()) + 1
  }
}

/// Frequency and length pairs of which none is beaten by another in both.
struct Impacts {
  /// By descending frequency, and so by descending length.
  private var pairs: [(frequency: UInt32, length: UInt32)] = []

  mutating func removeAll() { pairs.removeAll(keepingCapacity: true) }

  mutating func add(frequency: UInt32, length: UInt32) {
    for pair in pairs where pair.frequency >= frequency && pair.length <= length { return }
    pairs.removeAll { $0.frequency <= frequency && $0.length >= length }
    let place = pairs.firstIndex { $0.frequency < frequency } ?? pairs.count
    pairs.insert((frequency, length), at: place)
  }

  /// At most four, each at least as good as those that it stands for.
  mutating func summary() -> (frequencies: SIMD4<UInt16>, lengths: SIMD4<UInt16>) {
    while pairs.count > PostingsBlock.impactCount {
      // Neighbours of the most similar frequencies become one.
      let closest = (1..<pairs.count).min { left, right in
        pairs[left - 1].frequency * pairs[right].frequency
          < pairs[right - 1].frequency * pairs[left].frequency
      }
      guard let closest else { break }
      pairs[closest - 1].length = pairs[closest].length
      pairs.remove(at: closest)
    }
    var (frequencies, lengths) = (SIMD4<UInt16>.zero, SIMD4<UInt16>.zero)
    for index in 0..<PostingsBlock.impactCount {
      guard let pair = index < pairs.count ? pairs[index] : pairs.first else { continue }
      frequencies[index] = UInt16(pair.frequency)
      lengths[index] = UInt16(clamping: pair.length)
    }
    return (frequencies, lengths)
  }
}

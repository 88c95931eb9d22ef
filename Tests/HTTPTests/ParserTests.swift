// The parser against its corpus: every request whole, byte by byte and cut at every place, with the
// same result, down to the words of the refusal.

import HTTP
import Testing

/// Parses pieces as the server would, and says what became of them.
struct ParserRun {
  static let bodyLimit = 1000

  private var parser = RequestParser()
  private var head: RequestHead?
  /// As in the corpus, and with the reasons of refusals.
  private(set) var outcomes: [String] = []
  private(set) var reasons: [String] = []
  private(set) var isOver = false

  static func outcomes(of pieces: [[UInt8]]) -> (outcomes: [String], reasons: [String]) {
    var run = ParserRun()
    for piece in pieces { run.feed(piece) }
    if !run.isOver, run.outcomes.isEmpty || run.parser.hasStarted { run.outcomes.append("…") }
    return (run.outcomes, run.reasons)
  }

  mutating func feed(_ piece: [UInt8]) {
    piece.withUnsafeBytes { bytes in
      var offset = 0
      while !isOver, step(bytes, &offset) {}
    }
  }

  /// False when more input is needed.
  private mutating func step(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Bool {
    guard let head else {
      switch parser.parseHead(bytes, &offset) {
      case .needMore: return false
      case .bad(let failure): refuse(failure)
      case .complete(let head):
        do throws(ProtocolFailure) {
          try parser.beginBody(head.framing, limit: Self.bodyLimit)
          self.head = head
        } catch {
          refuse(error)
        }
      }
      return true
    }
    switch parser.parseBody(bytes, &offset) {
    case .needMore: return false
    case .bad(let failure): refuse(failure)
    case .complete(let body):
      outcomes.append(
        "\(head.request.method) \(head.target) \(String(decoding: body, as: UTF8.self))")
      self.head = nil
    }
    return true
  }

  private mutating func refuse(_ failure: ProtocolFailure) {
    outcomes.append("\(failure.status.code)")
    reasons.append(failure.reason)
    isOver = true
  }
}

@Suite struct ParserTests {
  @Test(arguments: ParserCorpus.all)
  func wholeRequest(_ sample: CorpusCase) {
    #expect(ParserRun.outcomes(of: [sample.bytes]).outcomes == sample.expected)
  }

  @Test(arguments: ParserCorpus.all)
  func byteByByte(_ sample: CorpusCase) {
    let whole = ParserRun.outcomes(of: [sample.bytes])
    let pieces = ParserRun.outcomes(of: sample.bytes.map { [$0] })
    #expect(pieces == whole)
  }

  /// Long samples are cut at every place too, but at their ends and in strides.
  @Test(arguments: ParserCorpus.all)
  func cutEverywhere(_ sample: CorpusCase) {
    let whole = ParserRun.outcomes(of: [sample.bytes])
    let stride = sample.bytes.count < 600 ? 1 : sample.bytes.count / 10
    for cut in 0..<sample.bytes.count where cut % stride == 0 || cut > sample.bytes.count - 20 {
      let pieces = [Array(sample.bytes[..<cut]), [], Array(sample.bytes[cut...])]
      #expect(ParserRun.outcomes(of: pieces) == whole, "cut at \(cut)")
    }
  }

  /// Mutated samples: no crash, and the cut never matters.
  @Test func mutations() {
    var random = SeededGenerator(seed: 20_261_122)
    let samples = ParserCorpus.all.map(\.bytes).filter { $0.count < 600 && !$0.isEmpty }
    var refusedCount = 0
    for _ in 0..<2500 {
      var bytes = samples[Int.random(in: 0..<samples.count, using: &random)]
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        mutate(&bytes, samples, using: &random)
      }
      let whole = ParserRun.outcomes(of: [bytes])
      refusedCount += whole.reasons.count
      var pieces: [[UInt8]] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = Int.random(in: 1...max(1, min(rest.count, 40)), using: &random)
        pieces.append(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      #expect(ParserRun.outcomes(of: pieces) == whole, "\(bytes)")
    }
    #expect(refusedCount > 500, "the mutations hardly ever break anything")
    #expect(refusedCount < 2500, "the mutations break everything")
  }

  private func mutate(
    _ bytes: inout [UInt8], _ samples: [[UInt8]], using random: inout SeededGenerator
  ) {
    let spice: [UInt8] = [0, 9, 10, 13, 32, 37, 44, 58, 59, 48, 57, 102, 127, 128, 255]
    let place = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, place + Int.random(in: 0...8, using: &random))
    switch Int.random(in: 0..<5, using: &random) {
    case 0: bytes.insert(spice.randomElement(using: &random) ?? 0, at: place)
    case 1: bytes.removeSubrange(place..<end)
    case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
    case 3:
      for index in place..<end { bytes[index] = UInt8.random(in: 0...255, using: &random) }
    default:
      let other = samples.randomElement(using: &random) ?? []
      bytes.replaceSubrange(place..., with: other.suffix(from: min(place, other.count)))
    }
  }
}

/// SplitMix64: the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
    return word ^ (word >> 31)
  }
}

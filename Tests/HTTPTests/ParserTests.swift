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
}

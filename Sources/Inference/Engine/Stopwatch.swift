// The moments of one request that its usage reports, taken at the engine's steps: how fast a client
// reads does not count. Relies on being told of moments in order.

/// Measures queueing, prefill and decoding.
struct Stopwatch {
  private let submitted: ContinuousClock.Instant
  private var scheduled: ContinuousClock.Instant?
  private var firstToken: ContinuousClock.Instant?
  private var lastToken: ContinuousClock.Instant?

  init(submitted: ContinuousClock.Instant) {
    self.submitted = submitted
  }

  mutating func noteScheduled(at now: ContinuousClock.Instant) {
    if scheduled == nil { scheduled = now }
  }

  mutating func noteToken(at now: ContinuousClock.Instant) {
    if firstToken == nil { firstToken = now }
    lastToken = now
  }

  var queueSeconds: Double {
    scheduled.map { submitted.duration(to: $0).seconds } ?? 0
  }

  func report(to usage: inout GenerationUsage) {
    usage.queueSeconds = queueSeconds
    guard let scheduled, let firstToken, let lastToken else { return }
    usage.prefillSeconds = scheduled.duration(to: firstToken).seconds
    usage.decodeSeconds = firstToken.duration(to: lastToken).seconds
    usage.timeToFirstTokenSeconds = submitted.duration(to: firstToken).seconds
  }
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}

// The engine's thread: take messages, plan, compute, sample, deliver; again until told to stop.
// Owns the scheduler, the KV cache and every active request; nothing here is shared but the mailbox
// and the published statistics.

import Synchronization

/// Statistics as the thread publishes them after each step.
final class EngineGauge: Sendable {
  struct Reading {
    var statistics = EngineStatistics()
    /// When the engine last completed a step or went from idle to busy; `nil` while idle.
    var progress: ContinuousClock.Instant?
  }

  let reading = Mutex(Reading())
}

struct EngineLoop: ~Copyable {
  private let mailbox: EngineMailbox
  private let gauge: EngineGauge
  private let runner: ModelRunner
  private let contextLength: Int
  private let endOfSequenceTokens: Set<Int32>
  private let clock = ContinuousClock()
  private var scheduler: Scheduler
  private var pace = PromptPace()
  private var requests: [SequenceState.ID: ActiveRequest] = [:]
  /// The request of each sequence that shares one with others.
  private var owners: [SequenceState.ID: SequenceState.ID] = [:]
  /// `nil` where no drafts are made.
  private var speculator: Speculator?
  private var scratch = SamplingScratch()
  private var statistics = EngineStatistics()

  init(
    mailbox: EngineMailbox, gauge: EngineGauge, runner: consuming ModelRunner,
    scheduler: Scheduler, contextLength: Int, endOfSequenceTokens: Set<Int32>,
    speculator: consuming Speculator?
  ) {
    self.mailbox = mailbox
    self.gauge = gauge
    self.runner = runner
    self.scheduler = scheduler
    self.contextLength = contextLength
    self.endOfSequenceTokens = endOfSequenceTokens
    self.speculator = speculator
  }

  mutating func run() {
    while true {
      let messages = mailbox.take(isBusy: !scheduler.isIdle)
      if messages.isStopping {
        stop(refusing: messages.submissions)
        return
      }
      for submission in messages.submissions { admit(submission) }
      for id in messages.cancellations { end(id) { $0.finish(.cancelled) } }
      publish(madeProgress: false)
      if !scheduler.isIdle { step() }
    }
  }

  /// Schedule, compute, deliver.
  private mutating func step() {
    let start = clock.now
    speculator?.propose(for: &requests, to: &scheduler, scratch: &scratch)
    let plan = scheduler.schedule(
      promptTokens: pace.promptTokens(
        streamCount: scheduler.streamCount, isRested: scheduler.running.isEmpty))
    note(plan, at: start)
    let results = runner.run(plan)
    // Of a span that failed nothing may be found again: its keys and values are not there.
    var computed = plan
    computed.entries = zip(plan.entries, results).compactMap { entry, result in
      if case .success = result { entry } else { nil }
    }
    scheduler.complete(computed)
    let now = clock.now
    if plan.draftCount == 0 {
      pace.record(
        streamCount: plan.streamCount, promptTokens: plan.promptTokenCount,
        seconds: start.duration(to: now).seconds)
    }
    settle(plan, results, at: now)
    speculator?.learn(from: plan, seconds: start.duration(to: clock.now).seconds)
    publish(madeProgress: true)
  }

  /// What a step computed of one request: a sequence, or those of a group.
  private struct Share {
    var parts: [(entry: StepPlan.Entry, result: Result<LogitRows, InferenceError>)]
  }

  private mutating func settle(
    _ plan: StepPlan, _ results: [Result<LogitRows, InferenceError>],
    at now: ContinuousClock.Instant
  ) {
    var shares: [Share] = []
    var places: [SequenceState.ID: Int] = [:]
    for (entry, result) in zip(plan.entries, results) {
      if let group = entry.group, let place = places[group] {
        shares[place].parts.append((entry, result))
      } else {
        if let group = entry.group { places[group] = shares.count }
        shares.append(Share(parts: [(entry, result)]))
      }
    }
    for share in shares { settle(share, at: now) }
  }

  /// Brings one request up to date with its logits: it gets a token, ends, or waits for more.
  private mutating func settle(_ share: Share, at now: ContinuousClock.Instant) {
    guard let first = share.parts.first?.entry else { return }
    let id = first.group ?? first.id
    do throws(InferenceError) {
      var rows: [LogitRows] = []
      for part in share.parts { rows.append(try part.result.get()) }
      switch try accept(share, rows, of: id, at: now) {
      case .unfinished: break
      case .extended(let tokens):
        for part in share.parts { scheduler.append(tokens, to: part.entry.id) }
      case .finished(let reason, let tokens):
        for part in share.parts { scheduler.append(tokens, to: part.entry.id) }
        end(id) { $0.finish(reason) }
      }
    } catch {
      end(id) { $0.fail(error) }
    }
  }

  private mutating func accept(
    _ share: Share, _ rows: [LogitRows], of id: SequenceState.ID,
    at now: ContinuousClock.Instant
  ) throws(InferenceError) -> ActiveRequest.Outcome {
    guard var request = requests.removeValue(forKey: id) else { return .unfinished }
    let before = request.usage
    defer {
      statistics.generatedTokens += request.usage.completionTokens - before.completionTokens
      statistics.draftedTokens += request.usage.draftedTokens - before.draftedTokens
      statistics.acceptedDraftTokens +=
        request.usage.acceptedDraftTokens - before.acceptedDraftTokens
      requests[id] = request
    }
    let entry = share.parts[0].entry
    guard entry.group != nil else {
      return try request.accept(rows[0], of: entry, now: now, scratch: &scratch)
    }
    // The scheduler computes the last tokens of all, or of none.
    guard entry.reachesEnd else { return .unfinished }
    return try request.accept(
      mixing: rows.map { $0[0] }, of: entry, now: now, scratch: &scratch)
  }

  // MARK: - Comings and goings

  private mutating func admit(_ submission: Submission) {
    let request = ActiveRequest(
      submission, endOfSequenceTokens: endOfSequenceTokens, contextLength: contextLength)
    requests[submission.id] = request
    guard request.needsModel else {
      end(submission.id) { $0.finish(.length) }
      return
    }
    for sequence in request.sequences {
      scheduler.add(sequence)
      if let group = sequence.group { owners[sequence.id] = group }
    }
  }

  /// Forgets a request and frees its blocks, then tells its consumer. Unknown ids are those of
  /// consumers that left after the end.
  private mutating func end(_ id: SequenceState.ID, _ tell: (ActiveRequest) -> Void) {
    guard let request = requests.removeValue(forKey: id) else { return }
    for sequence in request.sequenceIDs {
      scheduler.remove(sequence)
      speculator?.forget(sequence)
      owners[sequence] = nil
    }
    tell(request)
    mailbox.noteFinished()
  }

  private mutating func stop(refusing submissions: [Submission]) {
    for submission in submissions { admit(submission) }
    for id in requests.keys.sorted() { end(id) { $0.fail(.shutDown) } }
    publish(madeProgress: false)
    mailbox.noteExit()
  }

  // MARK: - Statistics

  private mutating func note(_ plan: StepPlan, at now: ContinuousClock.Instant) {
    for id in plan.preempted {
      requests[owners[id] ?? id]?.notePreempted()
      speculator?.forget(id)
    }
    statistics.preemptions += plan.preempted.count
    for entry in plan.entries {
      let id = entry.group ?? entry.id
      requests[id]?.noteScheduled(at: now)
      guard let prompt = requests[id]?.notePromptTokens(of: entry) else { continue }
      statistics.promptTokens += prompt.computed
      statistics.cachedPromptTokens += prompt.cached
    }
    statistics.steps += 1
  }

  private mutating func publish(madeProgress: Bool) {
    statistics.running = scheduler.running.count
    statistics.waiting = scheduler.waiting.count
    statistics.usedBlocks = scheduler.blocks.usedCount
    statistics.totalBlocks = scheduler.blocks.blockCount
    statistics.cachedBlocks = scheduler.blocks.indexedCount
    let (statistics, isIdle, now) = (statistics, scheduler.isIdle, clock.now)
    gauge.reading.withLock { reading in
      reading.statistics = statistics
      if isIdle {
        reading.progress = nil
      } else if madeProgress || reading.progress == nil {
        reading.progress = now
      }
    }
  }
}

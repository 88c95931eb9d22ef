// The front of the engine: admits requests synchronously, so that refusals can be answered before
// any response starts, and gives each a stream of events fed by the engine's own thread. Dropping
// the stream or cancelling its consumer removes the sequence at the next step.

import Compute
import Synchronization

/// Generates tokens for many requests at once with one model.
package final class InferenceEngine: Sendable {
  /// The longest sequence, prompt and output together.
  package let contextLength: Int
  package let vocabularySize: Int
  /// Sequences computed in one batch.
  package let maximumSequences: Int
  /// Tokens that end a generation unless a request ignores them.
  let endOfSequenceTokens: Set<Int32>
  private let capacity: KVCapacity
  private let mailbox: EngineMailbox
  private let gauge: EngineGauge

  /// Allocates the KV cache and starts the thread.
  /// - Parameter draftModel: a smaller model of the same vocabulary, for `Speculation.draft`.
  package init<Model: LanguageModel>(
    model: Model, draftModel: (any LanguageModel)? = nil,
    configuration: EngineConfiguration = EngineConfiguration()
  ) throws(InferenceError) {
    let draftModel = configuration.speculation == .draft ? draftModel : nil
    let capacity = try KVCapacity(
      model: model, draftModel: draftModel, configuration: configuration)
    var limits = Scheduler.Limits(
      maximumSequences: configuration.maximumSequences,
      tokensPerStep: configuration.tokensPerStep, promptLogitRowsPerStep: 32)
    limits.recomputationLength = model.recomputationLength
    let endOfSequenceTokens = model.endOfSequenceTokens.union(configuration.endOfSequenceTokens)
    let (mailbox, gauge) = (
      EngineMailbox(
        maximumSequences: limits.maximumSequences, maximumQueued: configuration.maximumQueued),
      EngineGauge()
    )
    let draftSource = try draftModel.map { model throws(InferenceError) in
      try DraftSource(model, tokenCapacity: capacity.tokenCount)
    }
    let cachedModel = try model.withCache(blockCount: capacity.blockCount)
    let (vocabularySize, blockSize) = (model.vocabularySize, model.blockSize)
    let thread = try Self.makeThread(niceness: configuration.niceness)
    thread.enqueue { [limits] in
      var loop = EngineLoop(
        mailbox: mailbox, gauge: gauge,
        runner: ModelRunner(
          vocabularySize: vocabularySize, maximumRows: limits.logitRowsPerStep,
          model: cachedModel),
        scheduler: Scheduler(
          limits: limits, blockCount: capacity.blockCount, blockSize: blockSize),
        contextLength: capacity.contextLength, endOfSequenceTokens: endOfSequenceTokens,
        speculator: Speculator(
          configuration, draftSource, maximumSequences: limits.maximumSequences,
          vocabularySize: vocabularySize))
      loop.run()
    }
    contextLength = capacity.contextLength
    maximumSequences = limits.maximumSequences
    self.capacity = capacity
    self.endOfSequenceTokens = endOfSequenceTokens
    self.vocabularySize = vocabularySize
    self.mailbox = mailbox
    self.gauge = gauge
  }

  deinit {
    mailbox.stop()
  }

  /// A thread of the engine's own, at lowered priority: a forward pass on Swift's cooperative pool
  /// would stop every request handler. The one job that it gets is the loop; it ends with it.
  private static func makeThread(niceness: Int32) throws(InferenceError) -> ComputeThread {
    do {
      return try ComputeThread(name: "engine", niceness: niceness)
    } catch {
      throw .threadUnavailable("\(error)")
    }
  }

  /// Queues a request, or says why not. The stream ends after `finished`, or throws an
  /// `InferenceError`.
  package func submit(
    _ request: GenerationRequest
  ) throws(InferenceError) -> AsyncThrowingStream<GenerationEvent, any Error> {
    try submitCancellable(request).events
  }

  /// As `submit`, with a way to end the sequence while the stream is still held.
  func submitCancellable(
    _ request: GenerationRequest
  ) throws(InferenceError) -> (
    events: AsyncThrowingStream<GenerationEvent, any Error>, cancel: @Sendable () -> Void
  ) {
    try request.validate(vocabularySize: vocabularySize, contextLength: contextLength)
    let request = try fitted(request)
    let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
    let seed = request.sampling.seed ?? UInt64.random(in: .min ... .max)
    let id = try mailbox.submit(idCount: request.prompts.count) { id in
      Submission(
        id: id, request: request, seed: seed, submitted: .now, continuation: continuation)
    }
    let cancel: @Sendable () -> Void = { [mailbox] in mailbox.cancel(id) }
    continuation.onTermination = { reason in
      if case .cancelled = reason { cancel() }
    }
    return (stream, cancel)
  }

  /// The most tokens that each of several prompts can be continued with while all of them are kept in
  /// memory side by side; none where the prompts by themselves have no room.
  package func room(sideBySide promptCounts: [Int]) -> Int {
    guard promptCounts.count <= maximumSequences else { return 0 }
    return capacity.room(sideBySide: promptCounts)
  }

  /// A group's members don't give each other room: what they can't have together, none gets.
  private func fitted(_ request: GenerationRequest) throws(InferenceError) -> GenerationRequest {
    guard request.mixture != nil else { return request }
    var request = request
    let room = room(
      sideBySide: request.prompts.map { $0.count + request.virtualTokenCount })
    guard room > 0 else {
      throw .groupTooLarge(
        sequences: request.prompts.count, promptTokens: request.promptTokenCount,
        maximumSequences: maximumSequences)
    }
    request.maximumTokens = min(request.maximumTokens, room)
    return request
  }

  /// Requests that can run and wait at the same time: more are refused, whenever they come.
  package var maximumUnderWay: Int { mailbox.capacity }

  package var statistics: EngineStatistics {
    let (statistics, progress) = gauge.reading.withLock { ($0.statistics, $0.progress) }
    var current = statistics
    current.secondsSinceProgress = progress.map { $0.duration(to: .now).seconds }
    return current
  }

  /// Takes nothing new and returns when everything under way is done.
  package func drain() async {
    mailbox.beginDraining()
    await mailbox.waitUntilIdle()
  }

  /// Takes nothing new, fails what is under way with `shutDown`, and returns when the thread has
  /// ended and its memory is free. `drain` first to let requests finish.
  package func shutdown() async {
    mailbox.stop()
    await mailbox.waitForExit()
  }
}

/// How many blocks the KV memory holds and how long a sequence they allow.
struct KVCapacity: Sendable {
  let blockCount: Int
  private let blockSize: Int
  let contextLength: Int
  /// What all blocks hold.
  let tokenCount: Int

  /// A draft model gets room for the same tokens out of the same memory.
  init(
    model: some LanguageModel, draftModel: (any LanguageModel)?,
    configuration: EngineConfiguration
  ) throws(InferenceError) {
    let draftBytes = draftModel.map {
      (model.blockSize + $0.blockSize - 1) / $0.blockSize * $0.kvBytesPerBlock
    }
    let bytesPerBlock = max(1, model.kvBytesPerBlock + (draftBytes ?? 0))
    let wanted = max(1, min(model.contextLength, configuration.contextLength ?? .max))
    let blocksPerSequence = (wanted + model.blockSize - 1) / model.blockSize
    let (allContexts, overflow) = blocksPerSequence.multipliedReportingOverflow(
      by: max(1, configuration.maximumSequences))
    let useful = overflow ? Int.max : allContexts
    let affordable = configuration.kvMemoryByteCount.map { $0 / bytesPerBlock }
    blockCount = min(useful, affordable ?? useful, Int(Int32.max))
    guard blockCount > 0 else {
      throw .insufficientKVMemory(
        byteCount: configuration.kvMemoryByteCount ?? 0,
        requiredByteCount: bytesPerBlock)
    }
    blockSize = model.blockSize
    tokenCount = blockCount * model.blockSize
    contextLength = min(wanted, tokenCount)
  }

  /// The most tokens by which sequences can grow together. The scheduler admits a sequence where one
  /// block of growth is left for each that runs already.
  func room(sideBySide counts: [Int]) -> Int {
    func fits(_ growth: Int) -> Bool {
      let needed = counts.reduce(0) { $0 + ($1 + growth + blockSize - 1) / blockSize }
      return needed + counts.count - 1 <= blockCount
    }
    var (fitting, tooMany) = (0, contextLength - (counts.max() ?? 0) + 1)
    while tooMany - fitting > 1 {
      let middle = (fitting + tooMany) / 2
      if fits(middle) { fitting = middle } else { tooMany = middle }
    }
    return fitting
  }
}

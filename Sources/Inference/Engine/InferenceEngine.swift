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
    let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
    let seed = request.sampling.seed ?? UInt64.random(in: .min ... .max)
    let id = try mailbox.submit { id in
      Submission(
        id: id, request: request, seed: seed, submitted: .now, continuation: continuation)
    }
    let cancel: @Sendable () -> Void = { [mailbox] in mailbox.cancel(id) }
    continuation.onTermination = { reason in
      if case .cancelled = reason { cancel() }
    }
    return (stream, cancel)
  }

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
struct KVCapacity {
  let blockCount: Int
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
    tokenCount = blockCount * model.blockSize
    contextLength = min(wanted, tokenCount)
  }
}

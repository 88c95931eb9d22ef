// A generation as text: runs the assembler over the engine's events in the consumer's own task and
// ends the sequence in the engine as soon as a stop string appears. Endpoints only format what
// comes out of here.

/// What happens in a generation, in terms of text.
package enum TextEvent: Sendable {
  /// As `GenerationEvent.promptLogprobs`.
  case promptLogprobs([GeneratedToken])
  case delta(TextDelta)
  /// The end; `stopString` is the one that was found, if it was one.
  case finished(FinishReason, stopString: String?, GenerationUsage)
}

/// The text of one generation. Iterate once.
package struct GenerationTextStream: AsyncSequence, Sendable {
  package typealias Element = TextEvent
  package typealias Failure = any Error
  package typealias Events = AsyncThrowingStream<GenerationEvent, any Error>

  private let events: Events
  private let assembler: TextAssembler
  private let cancel: @Sendable () -> Void

  /// `cancel` makes the engine drop the sequence.
  init(events: Events, assembler: TextAssembler, cancel: @escaping @Sendable () -> Void) {
    self.events = events
    self.assembler = assembler
    self.cancel = cancel
  }

  package func makeAsyncIterator() -> Iterator {
    Iterator(events: events.makeAsyncIterator(), assembler: assembler, cancel: cancel)
  }

  package struct Iterator: AsyncIteratorProtocol {
    private var events: Events.AsyncIterator
    private var assembler: TextAssembler
    private let cancel: @Sendable () -> Void
    /// What to return before asking the engine again.
    private var ready: [TextEvent] = []
    private var isDone = false

    init(
      events: Events.AsyncIterator, assembler: TextAssembler,
      cancel: @escaping @Sendable () -> Void
    ) {
      self.events = events
      self.assembler = assembler
      self.cancel = cancel
    }

    package mutating func next() async throws -> TextEvent? {
      while ready.isEmpty {
        guard !isDone, let event = try await events.next() else { return nil }
        take(event)
      }
      return ready.removeFirst()
    }

    private mutating func take(_ event: GenerationEvent) {
      switch event {
      case .promptLogprobs(let tokens):
        ready.append(.promptLogprobs(tokens))
      case .token(let token, let usage):
        if let delta = assembler.append(token) { ready.append(.delta(delta)) }
        if assembler.matchedStop != nil {
          cancel()
          end(.stop, usage)
        }
      case .finished(let reason, let usage):
        if let delta = assembler.finish() { ready.append(.delta(delta)) }
        end(assembler.matchedStop == nil ? reason : .stop, usage)
      }
    }

    private mutating func end(_ reason: FinishReason, _ usage: GenerationUsage) {
      ready.append(.finished(reason, stopString: assembler.matchedStop, usage))
      isDone = true
    }
  }
}

extension InferenceEngine {
  /// As `submit`, with the output as text that ends before any of `stops`.
  package func submit(
    _ request: GenerationRequest, decoder: any TokenDecoder, stops: [String]
  ) throws(InferenceError) -> GenerationTextStream {
    let (events, cancel) = try submitCancellable(request)
    return GenerationTextStream(
      events: events, assembler: TextAssembler(decoder: decoder, stops: stops), cancel: cancel)
  }
}

extension GenerationTextStream {
  /// A stream that says `text` and ends: an answer that no model is asked for.
  package init(saying text: String) {
    let (events, continuation) = Events.makeStream()
    continuation.yield(.finished(.stop, GenerationUsage(promptTokens: 0)))
    continuation.finish()
    self.init(
      events: events, assembler: TextAssembler(decoder: FixedText(text: text), stops: []),
      cancel: {})
  }
}

/// Has the text ready, whatever tokens come.
private struct FixedText: TokenDecoder {
  let text: String

  mutating func append(_ id: Int32) -> String { "" }
  mutating func finish() -> String { text }
}

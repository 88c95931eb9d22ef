// Sources that are being replaced. Storing what a source holds and removing what it no longer holds
// are two steps: two uploads of one source at a time would remove each other's documents.

import Synchronization

final class SourceTurns: Sendable {
  private struct Place: Hashable {
    var collection, source: String
  }

  /// Held while a source is being replaced; ends with the object, if nobody ends it before.
  final class Turn: Sendable {
    let source: String
    private let giveBack: @Sendable () -> Void
    private let isOver = Atomic(false)

    fileprivate init(source: String, giveBack: @Sendable @escaping () -> Void) {
      self.source = source
      self.giveBack = giveBack
    }

    deinit { end() }

    func end() {
      if !isOver.exchange(true, ordering: .relaxed) { giveBack() }
    }
  }

  private let taken = Mutex<Set<Place>>([])

  /// Throws a conflict while another request holds the source.
  func take(_ source: String, in collection: String) throws -> Turn {
    let place = Place(collection: collection, source: source)
    guard taken.withLock({ $0.insert(place).inserted }) else {
      throw APIError(
        status: 409, type: "invalid_request_error",
        message:
          "The source '\(source)' is being stored by another request. Send this one when that "
          + "is done.", param: "source", code: "source_in_use")
    }
    return Turn(source: source) { [weak self] in
      self?.taken.withLock { _ = $0.remove(place) }
    }
  }
}

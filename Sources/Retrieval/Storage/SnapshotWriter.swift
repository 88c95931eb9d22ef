// Writes snapshots of indexes that have changed much, now and then and at the end, so that a start
// after a kill reads back what little has changed since. Looks at the indexes every so often instead
// of being told, so that no request waits for it; one thread, one snapshot at a time. A failure is
// reported and costs time at the next start, nothing else.

import Compute
import SearchIndex
import Synchronization

final class SnapshotWriter: Sendable {
  /// A collection's index when it was last written.
  private struct Saved {
    var generation: Int64
    var changeCount: Int
    var at: ContinuousClock.Instant
  }

  private let indexes: IndexCatalog
  private let database: StoreDatabase
  private let snapshots: IndexSnapshots
  private let report: @Sendable (String) -> Void
  private let thread: ComputeThread
  private let saved = Mutex<[Int64: Saved]>([:])
  private let watch = Mutex<Task<Void, Never>?>(nil)

  /// Between looks.
  private static let interval = Duration.seconds(15)
  /// After this time a hundredth of the rows is worth a snapshot, an eighth at once.
  private static let longTime = Duration.seconds(600)
  /// Fewer changed rows are read back in no time.
  private static let leastChange = 2048

  init(
    _ indexes: IndexCatalog, _ database: StoreDatabase, _ snapshots: IndexSnapshots,
    report: @escaping @Sendable (String) -> Void
  ) throws {
    self.indexes = indexes
    self.database = database
    self.snapshots = snapshots
    self.report = report
    thread = try ComputeThread(name: "snapshots", niceness: 19)
  }

  deinit { watch.withLock { $0?.cancel() } }

  /// Notes what a collection's index was made from at start: the generation of a snapshot, or nil.
  func start(_ index: CollectionIndex, from generation: Int64?) {
    guard let generation else { return }
    // How many rows have changed since then isn't known; if any, they count from now on.
    saved.withLock {
      $0[index.collection] = Saved(
        generation: generation, changeCount: index.changeCount, at: .now)
    }
  }

  /// Begins to look.
  func run() {
    let task = Task { [weak self] in
      while (try? await Task.sleep(for: Self.interval)) != nil {
        guard let self else { return }
        await writeDue()
      }
    }
    watch.withLock { $0 = task }
  }

  /// Ends the looking and writes every index that has changed at all.
  func finish() async {
    watch.withLock { $0?.cancel() }
    await write { _, _ in true }
  }

  func writeDue() async {
    await write { index, saved in
      let changes = index.changeCount - (saved?.changeCount ?? 0)
      let isOld = saved.map { ContinuousClock.now - $0.at > Self.longTime } ?? false
      return changes >= max(Self.leastChange, index.rowCount / (isOld ? 100 : 8))
    }
  }

  private func write(_ isDue: @escaping @Sendable (CollectionIndex, Saved?) -> Bool) async {
    do {
      try await thread.perform { [self] in
        for index in indexes.all where index.liveRowCount > 0 {
          let last = saved.withLock { $0[index.collection] }
          if last?.generation != index.generation, isDue(index, last) { try write(index) }
        }
      }
    } catch {
      report("no snapshot of an index could be written, the next start may take longer: \(error)")
    }
  }

  private func write(_ index: CollectionIndex) throws {
    let record = try database.writeNow { database -> CollectionRecord? in
      let record = try CollectionRecord.all(database).first { $0.id == index.collection }
      if record != nil {
        try IndexSnapshots.note(index.generation, of: index.collection, database)
      }
      return record
    }
    guard let record, snapshots.save(index, record) else {
      if record != nil { report("the snapshot of an index could not be written") }
      return
    }
    saved.withLock {
      $0[index.collection] = Saved(
        generation: index.generation, changeCount: index.changeCount, at: .now)
    }
    // Deleted meanwhile: ids are never used again, so nobody else would remove it.
    if indexes.current(index.collection) == nil { snapshots.remove(index.collection) }
  }
}

// Connections by slot and generation. An event or a late answer that names a connection which has
// gone finds nothing, even when slot and descriptor have been given to another one meanwhile.

/// Names one connection of one event loop for ever.
package struct ConnectionID: Sendable, Hashable {
  let slot: UInt32
  let generation: UInt32

  init(slot: UInt32, generation: UInt32) {
    self.slot = slot
    self.generation = generation
  }

  /// What epoll hands back.
  init(tag: UInt64) {
    slot = UInt32(truncatingIfNeeded: tag)
    generation = UInt32(truncatingIfNeeded: tag >> 32)
  }

  var tag: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}

struct ConnectionTable {
  private struct Slot {
    var generation: UInt32 = 0
    var connection: Connection?
  }

  private var slots: [Slot] = []
  private var free: [UInt32] = []

  var count: Int { slots.count - free.count }

  /// Generations stay below this, so that tags above it are free for listeners.
  static let generationLimit: UInt32 = 0x7fff_ffff

  /// Makes room, and lets the body build the connection under its name.
  mutating func insert(_ make: (ConnectionID) -> Connection) -> Connection {
    let slot: UInt32
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = UInt32(slots.count)
      slots.append(Slot())
    }
    let generation = (slots[Int(slot)].generation &+ 1) & Self.generationLimit
    slots[Int(slot)].generation = generation
    let connection = make(ConnectionID(slot: slot, generation: generation))
    slots[Int(slot)].connection = connection
    return connection
  }

  subscript(id: ConnectionID) -> Connection? {
    let slot = Int(id.slot)
    guard slot < slots.count, slots[slot].generation == id.generation else { return nil }
    return slots[slot].connection
  }

  mutating func remove(_ id: ConnectionID) {
    guard self[id] != nil else { return }
    slots[Int(id.slot)].connection = nil
    free.append(id.slot)
  }

  var all: [Connection] { slots.compactMap(\.connection) }
}

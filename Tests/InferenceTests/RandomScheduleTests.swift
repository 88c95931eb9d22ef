// 10,000 random steps of submissions, cancellations, ends and too little memory, against a KV cache
// that is played out: each span must find in its blocks exactly the tokens before it. The books are
// checked after each change, and nothing may be left over.

import Inference
import Testing
import Transformer

@Suite(.timeLimit(.minutes(5))) struct RandomScheduleTests {
  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func nothingIsLostLeakedOrMixedUp(_ seed: UInt64) {
    var world = World(seed: seed)
    for _ in 0..<10_000 { world.act() }
    #expect(world.finished > 300 && world.cancelled > 300 && world.groupTokens > 300)
    #expect(world.heldBack > 5)
    #expect(world.preemptions > 30 && world.copies > 100 && world.reused > 1_000)
    world.cancelAll()
    #expect(world.scheduler.isIdle && world.scheduler.blocks.usedCount == 0)
    // All memory can be had, and then nothing is known any more.
    var blocks = world.scheduler.blocks
    var table: [Int32] = []
    #expect(blocks.extend(&table, toHold: World.blockCount * World.blockSize))
    #expect(blocks.indexedCount == 0 && Set(table).count == World.blockCount)
  }
}

/// A scheduler, and what its plans would do to a cache.
private struct World {
  static let (blockCount, blockSize) = (24, 4)
  private static let longest = 80

  var scheduler = Scheduler(
    limits: Scheduler.Limits(maximumSequences: 5, tokensPerStep: 14, promptLogitRowsPerStep: 2),
    blockCount: blockCount, blockSize: blockSize)
  var (finished, cancelled, preemptions, copies, reused) = (0, 0, 0, 0, 0)
  /// Tokens that groups got, and steps planned for a group whose member then lost its blocks.
  var (groupTokens, heldBack) = (0, 0)

  private var source: RandomSource
  /// What each place of the cache holds: the token, and whose kind it is.
  private var cache = [Int32](repeating: -1, count: blockCount * blockSize)
  private var alive: [SequenceState.ID: Life] = [:]
  private var lastID: SequenceState.ID = 0

  private struct Life {
    var tokens: [Int32]
    let namespace: UInt64
    var remaining: Int
    /// Prompt positions whose logits have come, in order; nil where none are wanted.
    var promptLogits: Int?
    let promptCount: Int
    var reached = 0
    /// All of its group, in order of arrival; itself where it goes alone.
    var group: [SequenceState.ID] = []
  }

  init(seed: UInt64) { source = RandomSource(seed: seed) }

  mutating func act() {
    switch Int.random(in: 0..<20, using: &source) {
    case 0...2 where scheduler.waiting.count < 8: submit()
    case 3 where scheduler.waiting.count < 8: submitGroup()
    case 4: if let id = alive.keys.sorted().randomElement(using: &source) { cancel(id) }
    default: step()
    }
    check()
  }

  mutating func cancelAll() {
    for id in alive.keys.sorted() where alive[id] != nil { cancel(id) }
    check()
  }

  /// One to four sequences that begin like many others.
  private mutating func submit() {
    let family = Int32.random(in: 0..<3, using: &source)
    let common = Int.random(in: 0...30, using: &source)
    let own = Int.random(in: 1...12, using: &source)
    let prompt =
      (0..<Int32(common)).map { family * 100 + $0 }
      + (0..<own).map { _ in Int32.random(in: 0..<3, using: &source) }
    let namespace = UInt64.random(in: 0..<2, using: &source)
    let wantsLogits = Int.random(in: 0..<8, using: &source) == 0
    for _ in 0..<Int.random(in: 1...4, using: &source) {
      lastID += 1
      scheduler.add(
        SequenceState(
          id: lastID, prompt: prompt, wantsPromptLogits: wantsLogits, namespace: namespace))
      alive[lastID] = Life(
        tokens: prompt, namespace: namespace,
        remaining: Int.random(in: 1...(Self.longest - prompt.count), using: &source),
        promptLogits: wantsLogits ? 0 : nil, promptCount: prompt.count)
    }
  }

  /// Two or three sequences of different prompts that have room side by side.
  private mutating func submitGroup() {
    let remaining = Int.random(in: 1...10, using: &source)
    let first = lastID + 1
    let ids = Array(first..<first + UInt64.random(in: 2...3, using: &source))
    lastID = ids[ids.count - 1]
    for id in ids {
      let common = Int.random(in: 0...10, using: &source)
      let prompt =
        (0..<Int32(common)).map { $0 } + [Int32.random(in: 0..<3, using: &source), Int32(id % 7)]
      scheduler.add(SequenceState(id: id, prompt: prompt, group: first))
      alive[id] = Life(
        tokens: prompt, namespace: 0, remaining: remaining, promptLogits: nil,
        promptCount: prompt.count, group: ids)
    }
  }

  private mutating func cancel(_ id: SequenceState.ID) {
    for member in members(id) {
      scheduler.remove(member)
      alive[member] = nil
      cancelled += 1
    }
  }

  private func members(_ id: SequenceState.ID) -> [SequenceState.ID] {
    let group = alive[id]?.group ?? []
    return group.isEmpty ? [id] : group
  }

  private mutating func step() {
    let allowed = [0, 1, 5, Int.max].randomElement(using: &source) ?? 0
    let plan = scheduler.schedule(promptTokens: allowed)
    check()
    // Where only a group's last tokens were planned and a member lost its blocks, nothing is left.
    #expect(!plan.entries.isEmpty || scheduler.isIdle || !plan.preempted.isEmpty)
    checkGroups(plan)
    #expect(plan.batch.tokenCount <= 14 && plan.batch.logitCount <= 7)
    preemptions += plan.preempted.count
    copies += plan.copies.count
    for copy in plan.copies { perform(copy) }
    for entry in plan.entries { compute(entry) }
    // Now and then a client hangs up while its step is being computed.
    if Int.random(in: 0..<10, using: &source) == 0, let entry = plan.entries.last {
      cancel(entry.id)
      check()
    }
    scheduler.complete(plan)
    check()
    var settledGroups: Set<SequenceState.ID> = []
    for entry in plan.entries where entry.reachesEnd {
      if let group = entry.group {
        if settledGroups.insert(group).inserted { settleGroup(of: entry.id) }
      } else {
        settle(entry)
      }
    }
  }

  /// The last tokens of all of a group, or of none.
  private mutating func checkGroups(_ plan: StepPlan) {
    let reaching = Set(plan.entries.filter(\.reachesEnd).map(\.id))
    for entry in plan.entries where entry.group != nil && entry.reachesEnd {
      #expect(members(entry.id).allSatisfy(reaching.contains))
    }
    for id in plan.preempted where members(id).count > 1 { heldBack += 1 }
  }

  private mutating func settleGroup(of id: SequenceState.ID) {
    guard let life = alive[id] else { return }
    groupTokens += 1
    let token = Int32.random(in: 0..<3, using: &source)
    for member in life.group {
      alive[member]?.remaining -= 1
      if life.remaining == 1 {
        scheduler.remove(member)
        alive[member] = nil
        finished += 1
      } else {
        alive[member]?.tokens.append(token)
        scheduler.append([token], to: member)
      }
    }
  }

  private mutating func perform(_ copy: StepPlan.Copy) {
    for slot in 0..<Self.blockSize {
      cache[Int(copy.target) * Self.blockSize + slot] =
        cache[Int(copy.source) * Self.blockSize + slot]
    }
  }

  /// Stores the span's tokens, then reads back the whole sequence.
  private mutating func compute(_ entry: StepPlan.Entry) {
    guard var life = alive[entry.id] else {
      Issue.record("sequence \(entry.id) is computed, but nobody wants it")
      return
    }
    let span = entry.span
    let end = span.start + span.tokens.count
    func place(_ position: Int) -> Int {
      Int(span.blocks[position / Self.blockSize]) * Self.blockSize + position % Self.blockSize
    }
    let kind = Int32(life.namespace) * 1_000
    for (offset, token) in span.tokens.enumerated() {
      cache[place(span.start + offset)] = token + kind
    }
    #expect((0..<end).map { cache[place($0)] } == life.tokens[..<end].map { $0 + kind })
    reused += max(0, span.start - life.reached)
    life.reached = max(life.reached, end)
    if let known = life.promptLogits, known < life.promptCount, end > known {
      #expect(end - span.logitCount <= known)
      life.promptLogits = min(end, life.promptCount)
    }
    alive[entry.id] = life
  }

  private mutating func settle(_ entry: StepPlan.Entry) {
    guard alive[entry.id] != nil else { return }
    alive[entry.id]?.remaining -= 1
    if alive[entry.id]?.remaining == 0 {
      scheduler.remove(entry.id)
      alive[entry.id] = nil
      finished += 1
    } else {
      let token = Int32.random(in: 0..<3, using: &source)
      alive[entry.id]?.tokens.append(token)
      scheduler.append([token], to: entry.id)
    }
  }

  private func check() {
    #expect(scheduler.brokenInvariants == [])
    #expect(scheduler.running.count + scheduler.waiting.count == alive.count)
  }
}

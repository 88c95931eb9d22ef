// Counts what one rendering uses and ends it at its limits. Every operation whose cost depends on
// the template or its input charges here before it allocates.

final class Meter {
  let limits: JinjaLimits
  private var steps = 0
  private var depth = 0

  init(limits: JinjaLimits) { self.limits = limits }

  func step(_ count: Int = 1) throws(JinjaError) {
    let (sum, overflow) = steps.addingReportingOverflow(count)
    guard !overflow, sum <= limits.steps else {
      throw .limit("rendering takes more than \(limits.steps) steps", line: 0)
    }
    steps = sum
  }

  func checkText(_ bytes: Int) throws(JinjaError) {
    guard bytes <= limits.outputBytes else {
      throw .limit("a text exceeds \(limits.outputBytes) bytes", line: 0)
    }
  }

  /// For making or searching a text of so many bytes.
  func chargeText(_ bytes: Int) throws(JinjaError) {
    try checkText(bytes)
    try step(max(0, bytes) / 64)
  }

  /// For making or searching a container of so many items.
  func chargeItems(_ count: Int) throws(JinjaError) {
    guard count <= limits.items else {
      throw .limit("a list exceeds \(limits.items) items", line: 0)
    }
    try step(count)
  }

  /// One level further down; to be paired with `leave`.
  func enter() throws(JinjaError) {
    guard depth < limits.depth else {
      throw .limit("macros are nested deeper than \(limits.depth) levels", line: 0)
    }
    depth += 1
    try step()
  }

  func leave() { depth -= 1 }
}

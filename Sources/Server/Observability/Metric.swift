// Counters, gauges and histograms in the shape Prometheus scrapes.
// Label values come from fixed sets of ours (routes, reasons, phases), never from a request, so
// that no client can grow the number of time series.

import Synchronization

/// A monotonically growing number per label combination.
package final class Counter: Sendable {
  let name: String
  let help: String
  let labelNames: [String]
  private let values = Mutex<[[String]: Double]>([:])

  init(_ name: String, _ help: String, labels: [String] = []) {
    self.name = name
    self.help = help
    labelNames = labels
    if labels.isEmpty { values.withLock { $0[[]] = 0 } }
  }

  package func increment(by amount: Double = 1, _ labels: String...) {
    precondition(labels.count == labelNames.count, "\(name) takes \(labelNames.count) labels")
    values.withLock { $0[labels, default: 0] += amount }
  }

  package func value(_ labels: String...) -> Double { values.withLock { $0[labels] ?? 0 } }

  func render(into text: inout PrometheusText) {
    text.family(name, help, type: "counter")
    for (labels, value) in values.withLock({ $0 }).sorted(by: {
      $0.key.lexicographicallyPrecedes($1.key)
    }) {
      text.sample(name, Array(zip(labelNames, labels)), value)
    }
  }
}

/// A number read at the moment of the scrape, so that it can never be stale.
struct Gauge: Sendable {
  let name: String
  let help: String
  let read: @Sendable () -> Double?

  func render(into text: inout PrometheusText) {
    guard let value = read() else { return }
    text.family(name, help, type: "gauge")
    text.sample(name, [], value)
  }
}

/// Counts per label value that others keep, read at the moment of the scrape: series go when what
/// they are of is gone.
struct CounterReading: Sendable {
  let name: String
  let help: String
  let label: String
  let read: @Sendable () -> [(value: String, count: Int)]

  func render(into text: inout PrometheusText) {
    let samples = read()
    guard !samples.isEmpty else { return }
    text.family(name, help, type: "counter")
    for sample in samples { text.sample(name, [(label, sample.value)], Double(sample.count)) }
  }
}

/// A distribution over fixed upper bounds (cumulative in the output, as Prometheus wants it).
package final class Histogram: Sendable {
  struct State {
    var counts: [UInt64]
    var sum = 0.0
  }

  let name: String
  let help: String
  let labelNames: [String]
  let bounds: [Double]
  private let states = Mutex<[[String]: State]>([:])

  init(_ name: String, _ help: String, labels: [String] = [], bounds: [Double]) {
    self.name = name
    self.help = help
    labelNames = labels
    self.bounds = bounds
  }

  package func observe(_ value: Double, _ labels: String...) {
    precondition(labels.count == labelNames.count, "\(name) takes \(labelNames.count) labels")
    let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
    states.withLock {
      $0[labels, default: State(counts: Array(repeating: 0, count: bounds.count + 1))].add(
        value, to: bucket)
    }
  }

  package func count(_ labels: String...) -> UInt64 {
    states.withLock { $0[labels]?.counts.reduce(0, +) ?? 0 }
  }

  func render(into text: inout PrometheusText) {
    text.family(name, help, type: "histogram")
    for (labels, state) in states.withLock({ $0 }).sorted(by: {
      $0.key.lexicographicallyPrecedes($1.key)
    }) {
      let pairs = Array(zip(labelNames, labels))
      var cumulative: UInt64 = 0
      for (bound, count) in zip(bounds + [.infinity], state.counts) {
        cumulative += count
        text.sample(name + "_bucket", pairs + [("le", text.number(bound))], Double(cumulative))
      }
      text.sample(name + "_sum", pairs, state.sum)
      text.sample(name + "_count", pairs, Double(cumulative))
    }
  }
}

extension Histogram.State {
  fileprivate mutating func add(_ value: Double, to bucket: Int) {
    counts[bucket] += 1
    sum += value
  }
}

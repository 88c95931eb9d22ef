// The Prometheus text exposition format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/).

struct PrometheusText {
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"
  private(set) var text = ""

  mutating func family(_ name: String, _ help: String, type: String) {
    text += "# HELP \(name) \(escaped(help, quotes: false))\n# TYPE \(name) \(type)\n"
  }

  mutating func sample(_ name: String, _ labels: [(String, String)], _ value: Double) {
    text += name
    if !labels.isEmpty {
      text += "{"
      text += labels.map { "\($0)=\"\(escaped($1, quotes: true))\"" }.joined(separator: ",")
      text += "}"
    }
    text += " \(number(value))\n"
  }

  /// Whole numbers without a fraction, infinities as Prometheus spells them.
  func number(_ value: Double) -> String {
    if value == .infinity { return "+Inf" }
    if value == -.infinity { return "-Inf" }
    if value.isNaN { return "NaN" }
    if let whole = Int64(exactly: value) { return String(whole) }
    return "\(value)"
  }

  private func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\"" where quotes: result += "\\\""
      default: result.append(character)
      }
    }
    return result
  }
}

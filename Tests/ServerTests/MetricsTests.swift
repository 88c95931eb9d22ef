import Testing

@testable import Server

struct MetricsTests {
  @Test func countersAndHistogramsRenderAsPrometheusExpects() {
    let counter = Counter("requests_total", "Requests.", labels: ["route"])
    counter.increment("/a\"b\\c\n")
    counter.increment(by: 2.5, "/d")
    let histogram = Histogram("seconds", "Time.", bounds: [0.1, 1])
    for value in [0.05, 0.1, 0.5, 7] { histogram.observe(value) }
    var text = PrometheusText()
    counter.render(into: &text)
    histogram.render(into: &text)
    #expect(
      text.text == """
        # HELP requests_total Requests.
        # TYPE requests_total counter
        requests_total{route="/a\\"b\\\\c\\n"} 1
        requests_total{route="/d"} 2.5
        # HELP seconds Time.
        # TYPE seconds histogram
        seconds_bucket{le="0.1"} 2
        seconds_bucket{le="1"} 3
        seconds_bucket{le="+Inf"} 4
        seconds_sum 7.65
        seconds_count 4

        """)
  }

  @Test func unlabelledCountersShowZeroFromTheStart() {
    var text = PrometheusText()
    Counter("tokens_total", "Tokens.").render(into: &text)
    #expect(text.text.hasSuffix("tokens_total 0\n"))
  }

  @Test func gaugesWithoutAValueAreLeftOut() {
    let exposition = ServerMetrics().exposition(gauges: [
      Gauge(name: "there", help: "Is.", read: { 3 }),
      Gauge(name: "gone", help: "Not.", read: { nil }),
    ])
    #expect(exposition.contains("\nthere 3\n"))
    #expect(!exposition.contains("gone"))
  }
}

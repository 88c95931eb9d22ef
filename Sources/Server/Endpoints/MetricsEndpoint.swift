// GET /metrics: counters and histograms, and gauges read from the running parts now.

import Compute
import HTTP
import Inference

struct MetricsEndpoint: Sendable {
  let state: ServerState
  let metrics: ServerMetrics

  func respond(to request: Request) -> Response {
    let index = state.documents?.statistics
    let engine = state.chat?.engine.statistics
    let gauges = [
      Gauge(name: "martlet_ready", help: "1 when requests can be answered.") {
        state.phase == .ready ? 1 : 0
      },
      Gauge(name: "martlet_requests_running", help: "Sequences being generated.") {
        engine.map { Double($0.running) }
      },
      Gauge(name: "martlet_requests_waiting", help: "Sequences waiting for a place.") {
        engine.map { Double($0.waiting) }
      },
      Gauge(name: "martlet_preemptions", help: "Sequences set back for want of KV memory.") {
        engine.map { Double($0.preemptions) }
      },
      Gauge(name: "martlet_kv_cache_used_blocks", help: "KV cache blocks in use.") {
        engine.map { Double($0.usedBlocks) }
      },
      Gauge(
        name: "martlet_kv_cache_indexed_blocks",
        help: "KV cache blocks whose contents new requests can take over, in use or not."
      ) { engine.map { Double($0.cachedBlocks) } },
      Gauge(name: "martlet_kv_cache_total_blocks", help: "KV cache blocks there are.") {
        engine.map { Double($0.totalBlocks) }
      },
      Gauge(
        name: "martlet_seconds_since_progress",
        help: "How long the engine has had work without finishing a step."
      ) { engine.map { $0.secondsSinceProgress ?? 0 } },
      Gauge(name: "martlet_adapters_loaded", help: "Adapters of the chat model.") {
        Double(state.adapters.count)
      },
      Gauge(name: "martlet_index_documents", help: "Documents in all collections.") {
        index.map { Double($0.documents) }
      },
      Gauge(name: "martlet_index_chunks", help: "Chunks in all collections.") {
        index.map { Double($0.chunks) }
      },
      Gauge(name: "martlet_index_vector_bytes", help: "Memory of the vector index.") {
        index.map { Double($0.vectorByteCount) }
      },
      Gauge(name: "martlet_database_bytes", help: "Size of the database file and its log.") {
        index.map { Double($0.databaseByteCount) }
      },
      Gauge(name: "martlet_process_resident_memory_bytes", help: "Resident memory.") {
        ProcessMemory.residentByteCount.map(Double.init)
      },
    ]
    let adapters = CounterReading(
      name: "martlet_adapter_requests_total", help: "Generation requests of loaded adapters.",
      label: "adapter"
    ) { state.adapters.map { ($0.name, $0.requestCount) } }
    return .bytes(
      Array(metrics.exposition(gauges: gauges, readings: [adapters]).utf8),
      contentType: PrometheusText.contentType)
  }
}

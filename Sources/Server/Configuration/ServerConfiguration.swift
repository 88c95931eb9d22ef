// What a server can be told, with its defaults. The same names serve as flags (`--max-sequences`),
// environment variables (`MARTLET_MAX_SEQUENCES`) and keys of the YAML file (`max_sequences`);
// `Setting.all` is the one table that ties them together.

package import Inference
package import Quantization
package import Transformer

package struct ServerConfiguration: Sendable, Equatable {
  /// Address to listen on. Anything but loopback needs keys, or `allowUnauthenticated`.
  package var host = "127.0.0.1"
  /// 0 takes any free port.
  package var port = 8080
  /// Chat model: a directory, a name under `models`, `none`, or nil for `default` if it is there.
  package var model: String?
  /// Chat template instead of the model's own: a built-in one's name or a file.
  package var chatTemplate: String?
  /// Embedding model: as `model`; nil means `all-MiniLM-L6-v2` if it is there.
  package var embeddingModel: String?
  /// Model that reranks by reading query and text together: as `model`; nil means none.
  package var rerankModel: String?
  /// How those two multiply; nil: what the processor does quickest.
  package var embeddingPrecision: EncoderPrecision?
  /// Folder in which model names are looked up.
  package var models = "Models"
  /// nil: int4.
  package var quantize: QuantizationScheme?
  /// Compute threads; nil: every core the process may use.
  package var threads: Int?
  /// Tokens per sequence, prompt and answer; nil: the model's own limit, at most 8192.
  package var context: Int?
  /// Sequences generated at the same time.
  package var maxSequences = 8
  /// Requests that may wait for a place before 503 is answered.
  package var maxQueue = 64
  /// Memory for keys and values in MiB; nil: what `maxSequences` contexts need, at most a quarter
  /// of the available memory.
  package var kvMemory: Int?
  /// Smaller model that guesses tokens to come: as `model`.
  package var draftModel: String?
  /// PEFT adapters of the chat model, each `NAME=DIR` or a directory that is named as it is called.
  package var adapters: [String] = []
  /// Folder from which adapters may be loaded while the server runs; nil: from nowhere.
  package var adapterDirectory: String?
  /// Where guesses at tokens to come are taken from, so that a step can decide several; nil: from
  /// the draft model if there is one, else look-ups.
  package var speculation: Speculation?
  /// Folder of the database.
  package var data = "./data"
  /// Leave vectors' float32 values to files under `data`; the 8-bit codes stay in memory.
  package var vectorsOnDisk = false
  /// Keep quantised weights under `data` for the next start.
  package var weightCache = true
  /// How answers from documents are made where a request's `retrieval` doesn't say.
  package var retrievalChain = AnswerChain.stuff
  /// Whether the chat model turns conversation and question into one query first.
  package var retrievalRewrite = false
  /// Most tokens of passages in a prompt; nil: what the context leaves.
  package var retrievalContext: Int?
  /// Jinja file that puts passages before the model; nil: ours.
  package var retrievalTemplate: String?
  /// File with one API key per line.
  package var apiKeyFile: String?
  /// Permits a non-loopback address without keys.
  package var allowUnauthenticated = false
  /// Largest accepted request body in MiB.
  package var maxBody = 32
  /// Seconds that running requests get to finish after SIGTERM.
  package var drainSeconds = 30
  package var logLevel = LogLevel.info

  package enum LogLevel: String, Sendable, CaseIterable {
    case debug, info, warning, error
  }

  package init() {}
}

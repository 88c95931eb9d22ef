// Writing quantised weights for the next start, once this one is answering: on a thread of its own
// at low priority, since it takes as long as the disk takes. A full disk or a folder that can't be
// written costs the next start some seconds and this one nothing.

import Compute
import Logging
import Transformer

enum WeightSaving {
  static func start(_ weights: UnsavedWeights, logger: Logger) -> Task<Void, Never> {
    Task {
      do {
        let watch = Stopwatch()
        let thread = try ComputeThread(name: "save-weights", niceness: 19)
        try await thread.perform { try weights.save() }
        logger.info(
          "packed weights saved for the next start",
          metadata: [
            "path": .string(weights.path), "bytes": .stringConvertible(weights.byteCount),
            "seconds": .stringConvertible(watch.seconds),
          ])
      } catch {
        logger.warning(
          "packed weights not saved, the next start quantises again",
          metadata: ["path": .string(weights.path), "error": .string("\(error)")])
      }
    }
  }
}

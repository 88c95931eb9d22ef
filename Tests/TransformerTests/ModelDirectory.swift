// A temporary directory that holds a copy of a fixture model, for tests to break.

import Foundation
import JSON
import Testing

@testable import Checkpoints
@testable import Transformer

final class ModelDirectory {
  let url: URL
  var path: String { url.path }

  convenience init(copyOf name: String) throws { try self.init(copyOfPath: Fixtures.model(name)) }

  init(copyOfPath path: String) throws {
    url = FileManager.default.temporaryDirectory.appending(path: "model-\(UUID().uuidString)")
    try FileManager.default.copyItem(at: URL(filePath: path), to: url)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  func remove(_ file: String) throws {
    try FileManager.default.removeItem(at: url.appending(path: file))
  }

  func read(_ file: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: url.appending(path: file)))
  }

  func write(_ file: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: url.appending(path: file))
  }

  func write(_ file: String, _ text: String) throws { try write(file, Array(text.utf8)) }

  /// Changes one member of a JSON file; nil removes it.
  func set(_ key: String, _ value: JSONValue?, in file: String = "config.json") throws {
    var object = try #require(try JSONValue(parsing: read(file)).object)
    object[key] = value
    try write(file, JSONValue.object(object).serialized())
  }

  /// Replaces the header of a safetensors file, its length included, by an edited one.
  func editHeader(
    of file: String = "model.safetensors", _ edit: (inout JSONObject) throws -> Void
  ) throws {
    let bytes = try read(file)
    let length = Int(bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    var header = try #require(try JSONValue(parsing: Array(bytes[8..<8 + length])).object)
    try edit(&header)
    let text = JSONValue.object(header).serialized()
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> ($0 * 8)) }
    try write(file, prefix + text + bytes[(8 + length)...])
  }

  /// Rewrites the weights, so that nothing is lost when they are changed.
  func convertToFloat32() throws {
    let checkpoint = try Checkpoint(directory: path)
    let tensors = checkpoint.tensorNames.compactMap { name in
      checkpoint.stored(name).map { (name, $0) }
    }
    let other = path + "/float32"
    let writer = try SafetensorsWriter(
      path: other,
      tensors: tensors.map {
        SafetensorsWriter.Tensor(name: $0.0, elementType: .float32, shape: $0.1.shape)
      })
    for (name, stored) in tensors {
      try writer.append(try checkpoint.tensor(name, shape: stored.shape).values())
    }
    try writer.finish()
    for file in fileNames(in: path) where file.hasPrefix("model") { try remove(file) }
    for file in fileNames(in: path) where file.hasPrefix("pytorch_model") { try remove(file) }
    try FileManager.default.moveItem(atPath: other, toPath: path + "/model.safetensors")
  }

  /// The error of loading the directory as a causal language model.
  func loadError() -> ModelError? {
    do throws(ModelError) {
      _ = try CausalLM.load(directory: path, scheme: .none, pool: Fixtures.pool)
      return nil
    } catch {
      return error
    }
  }

  /// The error of loading the directory as a text encoder.
  func encoderError() -> ModelError? {
    do throws(ModelError) {
      _ = try TextEncoder.load(directory: path, pool: Fixtures.pool)
      return nil
    } catch {
      return error
    }
  }
}

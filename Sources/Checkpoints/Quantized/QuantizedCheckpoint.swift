// Which tool quantised a checkpoint, as config.json's quantization_config says, and how a matrix is
// put together from the tensors that the tool wrote. A new kind is one file here and one line below.
// Refuses tools and variants that it doesn't know, by name.

import JSON
import Quantization

/// What one tool's checkpoints look like.
protocol QuantizedCheckpoint: Sendable {
  /// What is done with these weights where nothing else is asked for: matrices that a format holds
  /// exactly are kept in any case, others become this.
  var preferredScheme: QuantizationScheme { get }

  /// The elements of a tensor; nil where it is stored as plain numbers under its own name.
  func elements(of name: String, shape: [Int], in tensors: StoredTensors) throws(ModelError)
    -> (any TensorElements)?
}

/// A tool that quantises matrices and leaves all else as it is.
protocol QuantizedMatrices: QuantizedCheckpoint {
  func elements(of name: String, rows: Int, columns: Int, in tensors: StoredTensors)
    throws(ModelError) -> (any QuantizedElements)?
}

extension QuantizedMatrices {
  func elements(of name: String, shape: [Int], in tensors: StoredTensors) throws(ModelError)
    -> (any TensorElements)?
  {
    guard shape.count == 2 else { return nil }
    return try elements(of: name, rows: shape[0], columns: shape[1], in: tensors)
  }
}

extension QuantizedMatrices {
  /// `model.layers.0.mlp.up_proj` of `model.layers.0.mlp.up_proj.weight`.
  func stem(_ name: String) -> String {
    name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name
  }
}

enum QuantizationMethod {
  static let known = [
    "awq", "bitsandbytes", "compressed-tensors", "gptq", MartletCheckpoint.method,
  ]

  private static func key(_ configuration: ConfigurationFile) -> String? {
    ["quantization_config", "compression_config"].first { configuration[$0] != nil }
  }

  /// What config.json says of the quantisation, as it says it.
  static func text(_ configuration: ConfigurationFile) -> String {
    key(configuration).flatMap { configuration[$0] }?.description ?? ""
  }

  /// Nil for a checkpoint of plain numbers.
  static func of(_ configuration: ConfigurationFile) throws(ModelError)
    -> (any QuantizedCheckpoint)?
  {
    guard let key = key(configuration), let file = try configuration.object(key) else { return nil }
    let method = try file.string("quant_method") ?? "without quant_method"
    switch method {
    case "bitsandbytes": return try BitsAndBytesCheckpoint(file)
    case "gptq": return try GPTQCheckpoint(file)
    case "awq": return try AWQCheckpoint(file)
    case "compressed-tensors": return try CompressedTensorsCheckpoint(file)
    case MartletCheckpoint.method: return try MartletCheckpoint(file)
    default:
      throw configuration.unsupported(
        key, method,
        supported: known + ["float checkpoints, which --quantize quantises when they are loaded"])
    }
  }
}

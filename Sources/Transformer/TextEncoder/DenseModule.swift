// A linear layer on a text's vector with an activation (sentence_transformers' Dense), from a folder
// with config.json and the weights. Refuses activations that it doesn't know, and layers on other
// things than a text's vector.

import CKernels
import Checkpoints
import Compute
import Glibc

struct DenseModule: Sendable {
  /// By the last word of PyTorch's class.
  enum Activation: String, Sendable, CaseIterable {
    case identity = "Identity"
    case tanh = "Tanh"
    case relu = "ReLU"
    case sigmoid = "Sigmoid"
    case gelu = "GELU"
    case silu = "SiLU"

    func apply(_ values: inout [Float]) {
      switch self {
      case .identity: break
      case .tanh: for index in values.indices { values[index] = tanhf(values[index]) }
      case .relu: for index in values.indices { values[index] = max(0, values[index]) }
      case .sigmoid: for index in values.indices { values[index] = 1 / (1 + expf(-values[index])) }
      case .silu: for index in values.indices { values[index] /= 1 + expf(-values[index]) }
      case .gelu:
        let count = values.count
        values.withUnsafeMutableBufferPointer { values in
          if let base = values.baseAddress { kernels.gelu(base, count, base) }
        }
      }
    }
  }

  let linear: Linear
  let activation: Activation
  /// Its weights, for what tells models apart.
  let files: [MappedFile]

  var dimension: Int { linear.outputCount }

  /// - Parameter inputCount: values of the vectors that come to it
  init(directory: String, inputCount: Int, pool: ThreadPool) throws(ModelError) {
    let file = try ConfigurationFile(
      path: directory + "/config.json", remedy: "modules.json lists a Dense module there")
    let input = try file.requiredInteger("in_features", in: SizeLimits.hidden)
    guard input == inputCount else {
      throw file.refusal("in_features", "\(input), but \(inputCount) values come to the module")
    }
    let output = try file.requiredInteger("out_features", in: SizeLimits.hidden)
    // Without one torch's default of the module, tanh.
    let name = try file.string("activation_function") ?? "Tanh"
    guard
      let activation = name.split(separator: ".").last.flatMap({ Activation(rawValue: "\($0)") })
    else {
      throw file.unsupported(
        "activation_function", name, supported: Activation.allCases.map(\.rawValue))
    }
    for key in ["module_input_name", "module_output_name"] {
      try file.require(key, "sentence_embedding")
    }
    try file.require("use_residual", false)
    let checkpoint = try Checkpoint(directory: directory)
    let hasBias = try file.bool("bias") ?? true
    linear = Linear(
      weight: try WeightSource.checkpoint(checkpoint).matrix(
        "linear.weight", rows: output, columns: input, format: .float32, pool: pool),
      bias: try hasBias ? checkpoint.tensor("linear.bias", shape: [output]).values() : nil)
    self.activation = activation
    files = checkpoint.files
  }

  func apply(_ vector: [Float], pool: ThreadPool) -> [Float] {
    var output = linear.apply(vector, pool: pool)
    activation.apply(&output)
    return output
  }
}

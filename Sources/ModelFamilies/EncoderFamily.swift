// The registry of text encoders: how the config.json of each is translated into options, how its
// checkpoints name their tensors, and what its classifiers are made of. A new family is one file
// of Encoders and one line below. Refuses other kinds of models by name.

package import Checkpoints
import JSON

package struct EncoderFamily: Sendable {
  package var configuration:
    @Sendable (ConfigurationFile) throws(ModelError) -> TextEncoderConfiguration
  package var names: EncoderTensorNames
  /// What turns a pair of texts into a score; nil where transformers has no such model.
  package var classifier: ClassifierOptions?

  /// By `model_type` in config.json, as transformers' AutoModel goes: `architectures` there may name
  /// any head that the checkpoint was trained with.
  package static let known: [String: EncoderFamily] = [
    "bert": .bert, "roberta": .roberta, "xlm-roberta": .roberta, "camembert": .roberta,
    "distilbert": .distilBert, "mpnet": .mpnet, "modernbert": .modernBert,
    "nomic_bert": .nomicBert,
  ]

  package static func of(_ file: ConfigurationFile) throws(ModelError) -> EncoderFamily {
    let type = try file.string("model_type") ?? file["architectures"]?[0]?.string ?? "unnamed"
    guard let family = known[type] else {
      throw .unknownArchitecture(name: type, path: file.path, known: known.keys.sorted())
    }
    return family
  }

  /// What config.json calls the model.
  package static func architecture(_ file: ConfigurationFile) -> String {
    file["architectures"]?[0]?.string ?? file["model_type"]?.string ?? "unnamed"
  }
}

/// The layers on top of an encoder that give a pair of texts its score.
package struct ClassifierOptions: Sendable {
  package enum Activation: Sendable { case tanh, relu, gelu }

  /// Names with every prefix.
  package var dense: String
  package var activation: Activation
  package var norm: String?
  package var output: String
  /// config.json says which of them `dense` has; without the key it has a bias.
  package var biasKey: String?
  /// config.json says whether the first token or the mean is classified; without the key the first.
  package var poolingKey: String?
}

extension ConfigurationFile {
  /// Width and heads that divide it.
  func widthAndHeads(_ widthKey: String, _ headKey: String) throws(ModelError) -> (Int, Int) {
    let width = try requiredInteger(widthKey, in: SizeLimits.hidden)
    let heads = try requiredInteger(headKey, in: SizeLimits.heads)
    guard width % heads == 0 else {
      throw refusal(headKey, "\(heads) does not divide \(widthKey) \(width)")
    }
    return (width, heads)
  }

  /// Heads whose values are rotated in pairs.
  func requireEvenHeads(_ width: Int, _ heads: Int, _ headKey: String) throws(ModelError) {
    guard width / heads % 2 == 0 else {
      throw refusal(headKey, "heads of \(width / heads) values cannot be split into pairs")
    }
  }
}

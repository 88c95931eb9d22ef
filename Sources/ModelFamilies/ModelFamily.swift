// The registry of architectures: how the config.json of each is translated into options and how
// its checkpoints name their tensors. A new family is one file of Decoders and one line below. No
// other part of the program knows a family's name.

package import Checkpoints
import JSON

/// One decoder family: a translation of its configuration, and its names of tensors.
package struct ModelFamily: Sendable {
  package var configuration:
    @Sendable (ConfigurationFile) throws(ModelError) -> CausalLMConfiguration
  /// Of a model with that configuration.
  package var names: @Sendable (CausalLMConfiguration) -> CheckpointNames = { _ in CheckpointNames()
  }

  /// By the name that `architectures` in config.json has.
  package static let known: [String: ModelFamily] = [
    "BaiChuanForCausalLM": .baichuan,
    "BaichuanForCausalLM": .baichuan,
    "ChatGLMModel": .chatGLM,
    "Gemma2ForCausalLM": .gemma2,
    "Gemma3ForCausalLM": .gemma3,
    "Gemma3ForConditionalGeneration": .gemma3,
    "GemmaForCausalLM": .gemma,
    "GPT2LMHeadModel": .gpt2,
    "GPTNeoXForCausalLM": .gptNeoX,
    "GraniteForCausalLM": .granite,
    "LlamaForCausalLM": .llama,
    "MistralForCausalLM": .mistral,
    "MixtralForCausalLM": .mixtral,
    "Olmo2ForCausalLM": .olmo2,
    "Phi3ForCausalLM": .phi3,
    "QWenLMHeadModel": .qwen,
    "Qwen2ForCausalLM": .qwen2,
    "Qwen2MoeForCausalLM": .qwen2MoE,
    "Qwen3ForCausalLM": .qwen3,
    "Qwen3MoeForCausalLM": .qwen3MoE,
    "SmolLM3ForCausalLM": .smolLM3,
    "StableLmForCausalLM": .stableLM,
  ]

  /// The family whose layers config.json names, with a head that makes a language model of them or
  /// without; nil where it names none.
  package static func ofLayers(_ file: ConfigurationFile) -> ModelFamily? {
    let names = file["architectures"]?.array?.compactMap(\.string) ?? []
    return names.lazy.compactMap { name in
      known[name] ?? (name.hasSuffix("Model") ? known[name.dropLast(5) + "ForCausalLM"] : nil)
    }.first
  }

  /// The family that config.json asks for.
  package static func of(_ file: ConfigurationFile) throws(ModelError) -> ModelFamily {
    let names = file["architectures"]?.array?.compactMap(\.string) ?? []
    if let family = names.lazy.compactMap({ known[$0] }).first { return family }
    if (try? EncoderFamily.of(file)) != nil {
      throw .textEncoder(name: EncoderFamily.architecture(file), path: file.path)
    }
    guard let name = names.first else {
      throw file.refusal("architectures", "it must list the model's architecture")
    }
    throw .unknownArchitecture(name: name, path: file.path, known: known.keys.sorted())
  }
}

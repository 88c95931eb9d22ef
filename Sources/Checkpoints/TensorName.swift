// What the tensors of a decoder are called in this program, whatever their checkpoint calls them:
// Llama's names, with names in their manner for what Llama lacks. Layers are built, memory is laid
// out and `martlet quantize` writes by these; `CheckpointNames` leads to a checkpoint's own.

package enum TensorName {
  package static let embedding = "model.embed_tokens"
  package static let positions = "model.embed_positions"
  package static let finalNorm = "model.norm"
  package static let head = "lm_head"
  package static let layers = "model.layers."

  /// The stem of a layer's tensor; `.weight` and `.bias` follow it.
  package static func layer(_ index: Int, _ part: LayerPart) -> String {
    "\(layers)\(index).\(part.rawValue)"
  }

  package static func expert(_ expert: Int, layer: Int, _ part: LayerPart) -> String {
    let pieces = part.rawValue.split(separator: "*", maxSplits: 1)
    precondition(pieces.count == 2)
    return "\(layers)\(layer).\(pieces[0])\(expert)\(pieces[1])"
  }
}

/// The tensors of a layer; a star stands for an expert's index.
package enum LayerPart: String, CaseIterable {
  case inputNorm = "input_layernorm"
  case query = "self_attn.q_proj"
  case key = "self_attn.k_proj"
  case value = "self_attn.v_proj"
  case queryNorm = "self_attn.q_norm"
  case keyNorm = "self_attn.k_norm"
  case attentionOutput = "self_attn.o_proj"
  case attentionOutputNorm = "self_attn.output_layernorm"
  case feedForwardNorm = "post_attention_layernorm"
  case gate = "mlp.gate_proj"
  case up = "mlp.up_proj"
  case down = "mlp.down_proj"
  case feedForwardOutputNorm = "mlp.output_layernorm"
  case router = "mlp.gate"
  case expertGate = "mlp.experts.*.gate_proj"
  case expertUp = "mlp.experts.*.up_proj"
  case expertDown = "mlp.experts.*.down_proj"
  case sharedExpertGate = "mlp.shared_expert.gate_proj"
  case sharedExpertUp = "mlp.shared_expert.up_proj"
  case sharedExpertDown = "mlp.shared_expert.down_proj"
  /// The gate of the shared expert as a whole.
  case sharedExpertSwitch = "mlp.shared_expert_gate"
}

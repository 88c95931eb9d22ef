"""Writes a trained model as a Hugging Face directory."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from .corpus import END, END_OF_TEXT, START, chat_template
from .model import Llama


def save(model: Llama, tokenizer: Tokenizer, directory: Path) -> None:
    """Weights in float16 with their configuration, the tokenizer and the chat template."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().to(torch.float16) for name, tensor in model.state_dict().items()}
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(directory / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(name) for name in (END_OF_TEXT, START, END)}
    write(directory / "config.json", configuration(model, ids))
    write(directory / "generation_config.json", {
        "bos_token_id": ids[END_OF_TEXT], "eos_token_id": [ids[END], ids[END_OF_TEXT]],
        "pad_token_id": ids[END_OF_TEXT],
        "do_sample": True, "temperature": 0.7, "top_p": 0.9,
    })
    write(directory / "tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": model.shape.context,
        "add_bos_token": False, "clean_up_tokenization_spaces": False,
        "bos_token": END_OF_TEXT, "eos_token": END, "pad_token": END_OF_TEXT,
        "additional_special_tokens": [START, END], "chat_template": chat_template(),
    })


def configuration(model: Llama, ids: dict[str, int]) -> dict:
    shape = model.shape
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float16",
        "num_hidden_layers": shape.layers, "hidden_size": shape.width, "intermediate_size": shape.hidden,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_width,
        "max_position_embeddings": shape.context, "rope_theta": shape.theta, "rms_norm_eps": 1e-5,
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True,
        "initializer_range": 0.02, "use_cache": True, "vocab_size": shape.vocabulary,
        "bos_token_id": ids[END_OF_TEXT], "eos_token_id": ids[END], "pad_token_id": ids[END_OF_TEXT],
    }


def write(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

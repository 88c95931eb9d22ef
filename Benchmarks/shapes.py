"""Random weights in the shapes of real models, for both sides: a Hugging Face directory in bfloat16
and a GGUF file in Q4_0, with the head in Q6_K as llama-quantize makes it. Written tensor by tensor,
so that a model needn't fit into memory."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator

import numpy


@dataclasses.dataclass(frozen=True)
class Shape:
    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int = 32000
    context: int = 16384

    def matrices(self) -> Iterator[tuple[str, str, int, int]]:
        """(Hugging Face name, GGUF name, rows, columns) of each matrix."""
        keys = self.hidden // self.heads * self.kv_heads
        yield "model.embed_tokens", "token_embd", self.vocabulary, self.hidden
        yield "lm_head", "output", self.vocabulary, self.hidden
        for layer in range(self.layers):
            ours, theirs = f"model.layers.{layer}", f"blk.{layer}"
            yield f"{ours}.self_attn.q_proj", f"{theirs}.attn_q", self.hidden, self.hidden
            yield f"{ours}.self_attn.k_proj", f"{theirs}.attn_k", keys, self.hidden
            yield f"{ours}.self_attn.v_proj", f"{theirs}.attn_v", keys, self.hidden
            yield f"{ours}.self_attn.o_proj", f"{theirs}.attn_output", self.hidden, self.hidden
            yield f"{ours}.mlp.gate_proj", f"{theirs}.ffn_gate", self.intermediate, self.hidden
            yield f"{ours}.mlp.up_proj", f"{theirs}.ffn_up", self.intermediate, self.hidden
            yield f"{ours}.mlp.down_proj", f"{theirs}.ffn_down", self.hidden, self.intermediate

    def norms(self) -> Iterator[tuple[str, str]]:
        yield "model.norm", "output_norm"
        for layer in range(self.layers):
            yield f"model.layers.{layer}.input_layernorm", f"blk.{layer}.attn_norm"
            yield f"model.layers.{layer}.post_attention_layernorm", f"blk.{layer}.ffn_norm"


TINY_LLAMA = Shape("tinyllama-1.1b", 22, 2048, 5632, 32, 4)
LLAMA_7B = Shape("llama-2-7b", 32, 4096, 11008, 32, 32)


def gguf(shape: Shape, folder: pathlib.Path) -> pathlib.Path:
    """The path of the GGUF file, written unless it is there."""
    path = folder / f"{shape.name}-q4_0.gguf"
    if not path.exists():
        aside = path.with_suffix(".part")
        _write_gguf(shape, aside)
        aside.rename(path)
    return path


def _write_gguf(shape: Shape, path: pathlib.Path) -> None:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFWriter
    writer = GGUFWriter(str(path), "llama")
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.intermediate)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens(shape))
    writer.add_token_scores([0.0] * shape.vocabulary)
    # Unknown, two control tokens, bytes, ordinary ones.
    writer.add_token_types([2, 3, 3] + [6] * 256 + [1] * (shape.vocabulary - 259))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for _, name, rows, columns in shape.matrices():
        kind = GGMLQuantizationType.Q6_K if name == "output" else GGMLQuantizationType.Q4_0
        block, size = GGML_QUANT_SIZES[kind]
        size *= columns // block
        writer.add_tensor_info(f"{name}.weight", (rows, size), numpy.dtype(numpy.uint8),
                               rows * size, kind)
    for _, name in shape.norms():
        writer.add_tensor_info(f"{name}.weight", (shape.hidden,), numpy.dtype(numpy.float32),
                               shape.hidden * 4)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = numpy.random.default_rng(0)
    scale = numpy.array([0.002], numpy.float16).view(numpy.uint8)
    for _, name, rows, columns in shape.matrices():
        if name == "output":
            # A block of 256 weights: 192 bytes of codes, 16 int8 scales of 16 each, and their float16 scale.
            blocks = random.integers(0, 256, (rows, columns // 256, 210), dtype=numpy.uint8)
            blocks[:, :, 192:208] = 1
            blocks[:, :, 208:] = scale
        else:
            # A block of 32 weights: a float16 scale, and 16 bytes of two codes each.
            blocks = random.integers(0, 256, (rows, columns // 32, 18), dtype=numpy.uint8)
            blocks[:, :, :2] = scale
        writer.write_tensor_data(blocks.reshape(rows, -1))
    for _ in shape.norms():
        writer.write_tensor_data(numpy.ones(shape.hidden, numpy.float32))
    writer.close()


def hugging_face(shape: Shape, folder: pathlib.Path) -> pathlib.Path:
    """The path of the Hugging Face directory, written unless it is there."""
    path = folder / shape.name
    if not path.exists():
        aside = folder / f"{shape.name}.part"
        aside.mkdir(parents=True, exist_ok=True)
        _write_config(shape, aside)
        _write_safetensors(shape, aside / "model.safetensors")
        aside.rename(path)
    return path


def _write_config(shape: Shape, folder: pathlib.Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
        "num_hidden_layers": shape.layers, "hidden_size": shape.hidden,
        "intermediate_size": shape.intermediate, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocabulary,
        "max_position_embeddings": shape.context, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
        "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2,
    }
    special = [{"id": index, "content": content, "single_word": False, "lstrip": False,
                "rstrip": False, "normalized": False, "special": True}
               for index, content in enumerate(tokens(shape)[:3])]
    tokenizer = {
        "version": "1.0", "added_tokens": special, "normalizer": None, "pre_tokenizer": None,
        "post_processor": None, "decoder": None,
        "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "merges": [],
                  "vocab": {token: index for index, token in enumerate(tokens(shape))}},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": "{% for m in messages %}{{ m.content }}\n{% endfor %}"}))


def _write_safetensors(shape: Shape, path: pathlib.Path) -> None:
    header, offset = {}, 0
    sizes = [(name, [rows, columns]) for name, _, rows, columns in shape.matrices()]
    for name, dimensions in sizes + [(name, [shape.hidden]) for name, _ in shape.norms()]:
        size = 2 * int(numpy.prod(dimensions))
        header[f"{name}.weight"] = {
            "dtype": "BF16", "shape": dimensions, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    random = numpy.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, (rows, columns) in sizes:
            # Sign and fraction at random: values of 0.0156 to 0.0312, either way.
            bits = random.integers(0, 1 << 16, rows * columns, dtype=numpy.uint16)
            file.write(((bits & 0x807F) | 0x3C80).tobytes())
        for _ in shape.norms():
            file.write(numpy.full(shape.hidden, 0x3F80, numpy.uint16).tobytes())


def tokens(shape: Shape) -> list[str]:
    """A vocabulary of visible text, so that every generated token is a piece of the stream."""
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    rest = [f" w{index}" for index in range(shape.vocabulary - 259)]
    return ["<unk>", "<s>", "</s>", *bytes_, *rest]

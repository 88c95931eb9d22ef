#!/usr/bin/env python3
"""What quantising a model's weights costs: perplexity of one text in the same strided windows under
martlet's schemes, transformers in float32, llama.cpp's Q4_0 and bitsandbytes' nf4 of the same weights.

    Benchmarks/perplexity.py --model DIR --text FILE [--executable FILE] [--context N] [--stride N]
    Benchmarks/perplexity.py --model DIR --conversations FOLDER [--per-file N] ...

--conversations takes a folder of .jsonl files of {"messages": [...], "tools": [...]} and renders the
first N conversations of each with the model's chat template. A GGUF file's weights are dequantised first
and count as the model. Needs torch, transformers, bitsandbytes and gguf from PyPI, for GGUF files also
accelerate, and for llama.cpp's rows a C++ compiler and what Benchmarks/peers has built. Llama-family
models only.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMES = ["none", "int8", "int4", "nf4"]


def conversations(folder: pathlib.Path, per_file: int, tokenizer) -> str:
    text = ""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for _, line in zip(range(per_file), lines):
                record = json.loads(line)
                text += tokenizer.apply_chat_template(
                    record["messages"], tools=record.get("tools"), tokenize=False)
    return text


@torch.inference_mode()
def reference(model, ids: list[int], context: int, stride: int) -> float:
    total, counted = 0.0, 1
    tokens = torch.tensor(ids)
    for start in range(0, len(ids), stride):
        end = min(start + context, len(ids))
        logits = model(tokens[None, start:end]).logits[0, counted - 1 - start:end - 1 - start]
        total += torch.nn.functional.cross_entropy(
            logits, tokens[counted:end], reduction="sum").item()
        counted = end
        if end == len(ids):
            break
    return float(numpy.exp(total / (len(ids) - 1)))


def dequantised(file: pathlib.Path, executable: str, folder: pathlib.Path) -> pathlib.Path:
    """A float32 directory of a GGUF file's weights. Its tokenizer is martlet's reading of the file:
    transformers' knows no pre-tokenizers."""
    directory = folder / "dequantised"
    subprocess.run([executable, "quantize", file, directory, "--scheme", "int8"], check=True,
                   capture_output=True)
    (directory / "model.safetensors").unlink()
    (directory / "config.json").unlink()
    model = AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32)
    # It has plain weights now; transformers would refuse to write them.
    model.hf_quantizer = None
    del model.config.quantization_config
    model.save_pretrained(directory)
    return directory


def as_nf4(model) -> None:
    """Replaces the blocks' matrices by what bitsandbytes' nf4 codes of them stand for."""
    from bitsandbytes import functional
    for module in model.model.layers.modules():
        if isinstance(module, torch.nn.Linear):
            codes, state = functional.quantize_4bit(
                module.weight.data, quant_type="nf4", compress_statistics=True, blocksize=64)
            module.weight.data = functional.dequantize_4bit(codes, state).float()


def write_gguf(model, path: pathlib.Path) -> None:
    """The float32 weights as llama.cpp wants them: rows of q and k permuted for its rotation."""
    from gguf import GGUFWriter
    c = model.config
    width = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    writer = GGUFWriter(str(path), "llama")
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(model.model.rotary_emb.config.rope_parameters["rope_theta"])
    writer.add_vocab_size(c.vocab_size)
    writer.add_tokenizer_model("none")
    parts = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for name, tensor in model.state_dict().items():
        values = tensor.float().numpy()
        stem = name.removesuffix(".weight")
        if stem.endswith(("q_proj", "k_proj")):
            heads = len(values) // width
            values = values.reshape(heads, 2, width // 2, -1).swapaxes(1, 2).reshape(values.shape)
        if stem == "lm_head" and c.tie_word_embeddings:
            continue
        if stem.startswith("model.layers."):
            layer, part = stem.removeprefix("model.layers.").split(".", 1)
            stem = f"blk.{layer}.{parts[part]}"
        else:
            stem = {"model.embed_tokens": "token_embd", "model.norm": "output_norm",
                    "lm_head": "output"}[stem]
        writer.add_tensor(stem + ".weight", numpy.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_perplexity(peers: pathlib.Path) -> pathlib.Path:
    """The program of llama_perplexity.cpp, compiled unless it is there."""
    program = peers / "llama_perplexity"
    source = pathlib.Path(__file__).with_suffix(".cpp").with_stem("llama_perplexity")
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        build = peers / "llama.cpp"
        headers = next(peers.glob("*/vendor/llama.cpp"))
        libraries = [build / "src/libllama.a", *(
            build / f"ggml/src/lib{name}.a" for name in ("ggml", "ggml-cpu", "ggml-base"))]
        subprocess.run(
            ["c++", "-O2", "-std=c++17", "-I", headers / "include", "-I", headers / "ggml/include",
             source, "-o", program, *libraries, "-fopenmp", "-lpthread", "-ldl"], check=True)
    return program


def compare(options, folder: pathlib.Path) -> None:
    context, stride = options.context, options.stride or options.context // 2
    is_gguf = options.model.suffix == ".gguf"
    directory = dequantised(options.model, options.executable, folder) if is_gguf else options.model
    tokenizer = AutoTokenizer.from_pretrained(directory)
    if options.conversations:
        text = conversations(options.conversations, options.per_file, tokenizer)
    else:
        text = options.text.read_text(encoding="utf-8")
    ids = tokenizer(text).input_ids
    (folder / "text").write_text(text, encoding="utf-8")
    numpy.array(ids, numpy.int32).tofile(folder / "ids")

    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    base = reference(model, ids, context, stride)
    bits = numpy.log2(base) * (len(ids) - 1) / len(text.encode())
    print(f"{len(ids)} tokens, windows of {context}, stride {stride}; float32 has {bits:.4f} bits per byte\n")
    print("| weights | perplexity | beside float32 |\n|---|---|---|")

    def row(name: str, value: float) -> None:
        print(f"| {name} | {value:.4f} | {100 * (value / base - 1):+.3f} % |", flush=True)

    def martlet(scheme: str) -> None:
        output = subprocess.run(
            [options.executable, "bench", "perplexity", "--model", directory, "--text",
             folder / "text", "--quantize", scheme, "--context", str(context), "--stride", str(stride),
             "--json"], check=True, capture_output=True, text=True)
        report = json.loads(output.stdout)
        if report["tokens"] != len(ids) - 1:
            raise SystemExit(f"martlet counts {report['tokens']} tokens, not {len(ids) - 1}")
        row(f"martlet, {scheme}", report["perplexity"])

    def llama(name: str, path: pathlib.Path, *arguments: pathlib.Path) -> None:
        output = subprocess.run(
            [llama_perplexity(options.peers), path, folder / "ids", str(context), str(stride),
             *arguments], check=True, capture_output=True, text=True)
        row(f"llama.cpp, {name}", json.loads(output.stdout)["perplexity"])

    row("transformers, float32", base)
    for scheme in SCHEMES:
        martlet(scheme)
    if (options.peers / "llama.cpp/src/libllama.a").exists():
        write_gguf(model, folder / "model.gguf")
        llama("float32", folder / "model.gguf")
        llama("Q4_0", folder / "model.gguf", folder / "quantized.gguf")
        if is_gguf:
            llama("the file as it is", options.model)
    else:
        print("(no llama.cpp: run Benchmarks/peers)")
    as_nf4(model)
    row("bitsandbytes, nf4", reference(model, ids, context, stride))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executable", default=str(ROOT / ".build/release/martlet"))
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--conversations", type=pathlib.Path)
    parser.add_argument("--per-file", type=int, default=24)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--stride", type=int)
    parser.add_argument("--peers", type=pathlib.Path, default=ROOT / ".build/peers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(options, pathlib.Path(folder))


if __name__ == "__main__":
    main()

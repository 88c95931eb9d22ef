"""Martlet beside its peers on this machine: generation against llama.cpp, embedding against
sentence-transformers. Same shapes, random weights; medians; the two sides take turns."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHAPE = "tinyllama-1.1b"
VOCABULARY, LAYERS, HIDDEN, FEED_FORWARD, HEADS, KV_HEADS = 32000, 22, 2048, 5632, 32, 4
ROUNDS = 3


def martlet(executable: str, *arguments: str) -> dict:
    output = subprocess.run(
        [executable, "bench", *arguments, "--json"], check=True, capture_output=True, text=True)
    return json.loads(output.stdout)


def write_gguf(path: str) -> None:
    """Random Q4_0 weights in TinyLlama's shape (block of 32: a float16 scale and 16 bytes)."""
    import gguf
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("llama")
    kinds = [3, 3, 3] + [1] * (VOCABULARY - 3)
    writer.add_token_list([f"<{index}>" for index in range(VOCABULARY)])
    writer.add_token_scores([0.0] * VOCABULARY)
    writer.add_token_types(kinds)
    random = numpy.random.default_rng(0)

    def matrix(name: str, rows: int, columns: int) -> None:
        blocks = random.integers(0, 256, (rows, columns // 32, 18), dtype=numpy.uint8)
        scale = numpy.full((rows, columns // 32, 1), 0.002, numpy.float16)
        blocks[:, :, :2] = scale.view(numpy.uint8)
        writer.add_tensor(name, blocks.reshape(rows, -1),
                          raw_dtype=gguf.GGMLQuantizationType.Q4_0)

    def norm(name: str) -> None:
        writer.add_tensor(name, numpy.ones(HIDDEN, numpy.float32))

    keys = HIDDEN // HEADS * KV_HEADS
    matrix("token_embd.weight", VOCABULARY, HIDDEN)
    matrix("output.weight", VOCABULARY, HIDDEN)
    norm("output_norm.weight")
    for layer in range(LAYERS):
        prefix = f"blk.{layer}."
        norm(prefix + "attn_norm.weight")
        norm(prefix + "ffn_norm.weight")
        matrix(prefix + "attn_q.weight", HIDDEN, HIDDEN)
        matrix(prefix + "attn_k.weight", keys, HIDDEN)
        matrix(prefix + "attn_v.weight", keys, HIDDEN)
        matrix(prefix + "attn_output.weight", HIDDEN, HIDDEN)
        matrix(prefix + "ffn_gate.weight", FEED_FORWARD, HIDDEN)
        matrix(prefix + "ffn_up.weight", FEED_FORWARD, HIDDEN)
        matrix(prefix + "ffn_down.weight", HIDDEN, FEED_FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class LlamaCpp:
    def __init__(self, path: str, threads: int):
        import llama_cpp
        self.model = llama_cpp.Llama(
            path, n_ctx=1024, n_batch=512, n_ubatch=512, n_threads=threads,
            n_threads_batch=threads, logits_all=False, verbose=False)

    def prefill(self, count: int) -> float:
        """Tokens per second of a prompt."""
        self.model.reset()
        start = time.perf_counter()
        self.model.eval([5 + index % 1000 for index in range(count)])
        return count / (time.perf_counter() - start)

    def decode(self, count: int) -> float:
        """Tokens per second behind 128 tokens of context."""
        self.prefill(128)
        start = time.perf_counter()
        for index in range(count):
            self.model.eval([7 + index])
        return count / (time.perf_counter() - start)


def sentence_transformers_rate(threads: int, texts: list[str]) -> float:
    import sentence_transformers
    import torch
    torch.set_num_threads(threads)
    model = sentence_transformers.SentenceTransformer(
        str(ROOT / "Models" / "all-MiniLM-L6-v2"), device="cpu")
    model.encode(texts[:16])
    start = time.perf_counter()
    model.encode(texts, batch_size=32)
    return len(texts) / (time.perf_counter() - start)


def row(name: str, ours: list[float], theirs: list[float], unit: str) -> None:
    a, b = statistics.median(ours), statistics.median(theirs)
    print(f"| {name} | {a:.1f} {unit} | {b:.1f} {unit} | {a / b:.2f} |", flush=True)


def main() -> None:
    executable, threads = sys.argv[1], int(sys.argv[2])
    print(f"{threads} threads, medians of {ROUNDS} rounds taken in turn\n")
    print("| what | martlet | peer | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "shape.gguf")
        write_gguf(path)
        peer = LlamaCpp(path, threads)
        figures: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            figures.setdefault("peer decode", []).append(peer.decode(32))
            figures.setdefault("peer prefill", []).append(peer.prefill(512))
            for scheme in ("int4", "nf4"):
                for kind in ("decode", "prefill"):
                    report = martlet(executable, kind, "--shape", SHAPE, "--quantize", scheme,
                                     "--threads", str(threads), "--runs", "3")
                    figures.setdefault(f"{scheme} {kind}", []).append(report["tokens_per_second"])
                    if kind == "decode":
                        figures.setdefault(f"{scheme} share", []).append(
                            report["share_of_read_bandwidth"])
        for scheme in ("int4", "nf4"):
            row(f"decode {SHAPE} {scheme} (llama.cpp Q4_0)", figures[f"{scheme} decode"],
                figures["peer decode"], "tok/s")
            row(f"prefill 512 {SHAPE} {scheme} (llama.cpp Q4_0)", figures[f"{scheme} prefill"],
                figures["peer prefill"], "tok/s")
    ours, theirs = [], []
    texts = ["the river carries water from the mountain to the sea and " * 9] * 100
    for _ in range(ROUNDS):
        theirs.append(sentence_transformers_rate(threads, texts))
        ours.append(martlet(executable, "embed", "--threads", str(threads))["texts_per_second"])
    row("MiniLM, texts of about 100 tokens (sentence-transformers f32)", ours, theirs, "texts/s")
    for scheme in ("int4", "nf4"):
        share = statistics.median(figures[f"{scheme} share"])
        print(f"\nmartlet {scheme} decode reads at {share:.0%} of the bandwidth of the same run")


if __name__ == "__main__":
    main()

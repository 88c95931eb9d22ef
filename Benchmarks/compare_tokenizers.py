#!/usr/bin/env python3
"""Martlet's tokenizers beside Hugging Face `tokenizers`: one thread, the same text, in turns.

    Benchmarks/compare_tokenizers.py MARTLET [--text FILE] [--whole]

Trains a tokenizer of each kind on the text (default: this repository's own sources and documents), checks
that both sides make the same number of tokens, and prints megabytes per second and load times. Needs
`pip install tokenizers`.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS = 3
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [
    r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
]


def own_text() -> str:
    files = sorted(p for pattern in ("*.md", "Sources/**/*.swift", "scripts/**/*.py", "Tests/**/*.swift")
                   for p in ROOT.glob(pattern))
    return "\n".join(p.read_text() for p in files)


def byte_level(*patterns):
    tokenizer = Tokenizer(models.BPE())
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not patterns)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, trainers.BpeTrainer(
        vocab_size=16000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)


def llama2(lines):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=16000, show_progress=False,
        special_tokens=["<unk>"] + [f"<0x{b:02X}>" for b in range(256)]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    data = json.loads(tokenizer.to_str())
    data["pre_tokenizer"] = None
    return data


def crossing(data):
    """The tokenizer with tokens that go on behind a blank: then texts may not be cut before each of those."""
    vocabulary, merges = data["model"]["vocab"], data["model"]["merges"]
    for left, right in [("e", "▁t"), ("e", "▁"), ("d", "▁"), (",", "▁")]:
        if left in vocabulary and right in vocabulary and left + right not in vocabulary:
            vocabulary[left + right] = len(vocabulary)
            merges.append([left, right])
    return data


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, trainers.WordPieceTrainer(
        vocab_size=16000, special_tokens=["[UNK]"], show_progress=False)


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer, trainers.UnigramTrainer(
        vocab_size=8000, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)


def trained(pair, lines):
    tokenizer, trainer = pair
    tokenizer.train_from_iterator(lines, trainer)
    return json.loads(tokenizer.to_str())


def large(data, size):
    """The tokenizer with so many more tokens that its file has `size` bytes, as large models' do."""
    vocabulary, merges = data["model"]["vocab"], data["model"]["merges"]
    base = [t for t in vocabulary if len(t) > 2][:4000]
    total = len(json.dumps(data, ensure_ascii=False).encode())
    for left in base:
        for right in base[::7]:
            if total >= size:
                return data
            token = left + right
            if token not in vocabulary:
                vocabulary[token] = len(vocabulary)
                merges.append([left, right])
                total += 2 * len(token.encode()) + 28
    return data


def measure(martlet, name, data, path, lines, whole):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "tokenizer.json"
        file.write_text(json.dumps(data, ensure_ascii=False))
        texts = [pathlib.Path(path).read_text()] if whole else lines
        size = sum(len(t.encode()) for t in texts) / 1e6
        ours, theirs, loads, first = [], [], [], None
        for _ in range(ROUNDS):
            output = subprocess.run(
                [martlet, "bench", "tokenize", "--tokenizer", folder, "--text", str(path), "--json"]
                + ["--whole"] * whole, check=True, capture_output=True, text=True)
            report = json.loads(output.stdout)
            ours.append(report)
            start = time.perf_counter()
            tokenizer = Tokenizer.from_file(str(file))
            loads.append(time.perf_counter() - start)
            for run in range(3):
                start = time.perf_counter()
                count = sum(len(tokenizer.encode(t, add_special_tokens=False).ids) for t in texts)
                seconds = time.perf_counter() - start
                if run:
                    theirs.append(size / seconds)
            assert count == report["tokens"], (name, count, report["tokens"])
        median = statistics.median
        speed = median(r["megabytes_per_second"] for r in ours)
        first = median(r["first_megabytes_per_second"] for r in ours)
        load = median(r["load_seconds"] for r in ours)
        print(f"{name:22} {report['tokens']:8} tokens  martlet {speed:7.1f} MB/s (first {first:6.1f})"
              f"  tokenizers {median(theirs):6.2f} MB/s  ratio {speed / median(theirs):5.1f}"
              f"  load {load:.3f} s, tokenizers {median(loads):.3f} s,"
              f" file {file.stat().st_size / 1e6:.1f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("martlet", help="the executable")
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--whole", action="store_true", help="encode the text as a whole, not by line")
    parser.add_argument("--kinds", nargs="*")
    options = parser.parse_args()
    text = options.text.read_text() if options.text else own_text()
    lines = [line for line in text.split("\n") if line]
    kinds = {
        "byte-level, GPT-2": lambda: trained(byte_level(), lines),
        "byte-level, Llama-3": lambda: trained(byte_level(CL100K), lines),
        "byte-level, DeepSeek": lambda: trained(byte_level(*DEEPSEEK), lines),
        "Llama-2": lambda: llama2(lines),
        "Llama-2, uncut": lambda: crossing(llama2(lines)),
        "WordPiece": lambda: trained(word_piece(), lines),
        "Unigram": lambda: trained(unigram(), lines),
        "9 MB byte-level": lambda: large(trained(byte_level(CL100K), lines), 9_000_000),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        for name, make in kinds.items():
            if not options.kinds or name in options.kinds:
                measure(options.martlet, name, make(), file.name, lines, options.whole)


if __name__ == "__main__":
    main()

"""Reads the corpus, trains the tokenizer, and turns text and conversations into rows of tokens.

A row is a fixed number of tokens holding one or more documents back to back. Three arrays describe a set of
rows: `ids` [rows, length + 1], `document` [rows, length + 1] (which of the row's documents a token belongs to,
so that attention does not cross them) and `learn` [rows, length + 1] (the tokens that count in the loss).
"""

import io
import json
import random
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import zstandard
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VOCABULARY = 8192
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# Share of the rows drawn from each file in the first stage, where every token counts. English prose leads, Chinese is
# present but modest, and conversations are read as text too: what a small model learns best is what it reads most.
PRETRAIN_MIX = {
    "pretrain/openstax": 0.16, "pretrain/wiki_contexts": 0.10, "pretrain/stories_asp_pb": 0.06,
    "pretrain/standardebooks": 0.05, "pretrain/wordnet": 0.05, "pretrain/medquad": 0.03, "pretrain/factbook": 0.02,
    "pretrain/techdocs": 0.01, "pretrain/tldr": 0.01, "pretrain/zh_niutrans": 0.04, "pretrain/zh_poetry": 0.01,
    "chat/self_dialogue": 0.20, "chat/persona": 0.07, "chat/define": 0.06, "chat/synth_glossary": 0.05,
    "chat/synth_basic": 0.05, "chat/oasst100": 0.03,
}
# Short plain conversation first, then answers from numbered passages, then tools.
CHAT_MIX = {
    "self_dialogue": 0.17, "synth_basic": 0.12, "define": 0.10, "smalltalk": 0.06, "persona": 0.06, "oasst100": 0.04,
    "synth_glossary": 0.09, "synth_docs": 0.08, "synth_factbook": 0.05, "rag_en": 0.08, "rag_multiturn_en": 0.02,
    "rag_zh": 0.04, "rag_multiturn_zh": 0.01, "tldr_howto": 0.02, "synth_json": 0.02,
    "sgd_plain": 0.01, "sgd_single_call": 0.02, "bfcl": 0.01,
}
# Files that give the rows of full context: passages, which are long.
LONG_CHAT_MIX = {"rag_en": 0.50, "rag_multiturn_en": 0.15, "rag_zh": 0.25, "rag_multiturn_zh": 0.10}


def records(path: Path):
    """Yields the JSON objects of a .jsonl or .jsonl.zst file."""
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        for line in io.TextIOWrapper(stream, encoding="utf-8"):
            yield json.loads(line)


def chat_template() -> str:
    return (Path(__file__).parent / "chat_template.jinja").read_text()


def renderer():
    """The chat template as a function of one record, in the environment that transformers gives templates."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = environment.from_string(chat_template())

    def render(record: dict, add_generation_prompt: bool = False) -> str:
        return template.render(
            messages=record["messages"], tools=record.get("tools"), add_generation_prompt=add_generation_prompt
        )

    return render


def train_tokenizer(corpus: Path, characters_per_file: int = 3_000_000) -> Tokenizer:
    """A byte-level BPE over an equal part of every file, so that no source owns the vocabulary."""
    render = renderer()

    def texts():
        for path in sorted(corpus.glob("pretrain/*.zst")) + sorted(corpus.glob("chat/*.zst")):
            taken = 0
            for record in records(path):
                text = record["text"] if "text" in record else render(record)
                yield text.replace(START, "").replace(END, "")
                taken += len(text) * (4 if path.name.startswith("zh_") else 1)
                if taken > characters_per_file:
                    break

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[END_OF_TEXT, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    return tokenizer


def encode_texts(tokenizer: Tokenizer, path: Path, seed: int) -> np.ndarray:
    """All texts or conversations of a file in random order, each followed by <|endoftext|>: uint16 [tokens]."""
    render = renderer()
    texts = [record["text"] if "text" in record else render(record) for record in records(path)]
    random.Random(seed).shuffle(texts)
    end = tokenizer.token_to_id(END_OF_TEXT)
    encoded = tokenizer.encode_batch_fast(texts)
    return np.concatenate([np.array(e.ids + [end], dtype=np.uint16) for e in encoded])


def assistant_tokens(tokenizer: Tokenizer, ids: np.ndarray) -> np.ndarray:
    """Marks what an assistant turn has to produce, its <|im_end|> included: bool [tokens]."""
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    header = np.array([start] + tokenizer.encode("assistant\n").ids)
    learn = np.zeros(len(ids), dtype=bool)
    for at in np.flatnonzero(ids == start):
        first = at + len(header)
        if np.array_equal(ids[at:first], header):
            last = first + int(np.argmax(ids[first:] == end))
            learn[first : last + 1] = True
    return learn


def pack(conversations: list[np.ndarray], tokenizer: Tokenizer, length: int) -> dict[str, np.ndarray]:
    """Fills rows of `length + 1` tokens with whole conversations, first come first served."""
    rows: list[list[np.ndarray]] = [[]]
    room = length + 1
    for ids in conversations:
        if len(ids) > room:
            rows.append([])
            room = length + 1
        rows[-1].append(ids)
        room -= len(ids)
    shape = (len(rows), length + 1)
    packed = {
        "ids": np.zeros(shape, np.uint16), "document": np.full(shape, 65535, np.uint16), "learn": np.zeros(shape, bool)
    }
    for r, row in enumerate(rows):
        at = 0
        for number, ids in enumerate(row):
            span = slice(at, at + len(ids))
            packed["ids"][r, span], packed["document"][r, span] = ids, number
            packed["learn"][r, span] = assistant_tokens(tokenizer, ids)
            at += len(ids)
    return packed


def encode_chats(tokenizer: Tokenizer, path: Path, seed: int) -> list[np.ndarray]:
    """The conversations of a file in random order, each as uint16 [tokens]."""
    render = renderer()
    texts = [render(record) for record in records(path)]
    random.Random(seed).shuffle(texts)
    return [np.array(e.ids, dtype=np.uint16) for e in tokenizer.encode_batch_fast(texts)]


def prepare(corpus: Path, work: Path, lengths: tuple[int, int], seed: int = 0) -> Tokenizer:
    """Writes tokenizer.json and the token arrays under `work`, once.

    Conversations that fit `lengths[0]` tokens become rows of that length, longer ones rows of `lengths[1]`,
    and those beyond that are left out.
    """
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "tokenizer.json").exists():
        train_tokenizer(corpus).save(str(work / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    for name in PRETRAIN_MIX:
        if not (work / f"{name}.npy").exists():
            (work / name).parent.mkdir(exist_ok=True)
            np.save(work / f"{name}.npy", encode_texts(tokenizer, corpus / f"{name}.jsonl.zst", seed))
    for name in CHAT_MIX:
        short, long = lengths
        if not (work / f"{name}.{short}.npz").exists():
            chats = encode_chats(tokenizer, corpus / "chat" / f"{name}.jsonl.zst", seed)
            middle = [ids for ids in chats if short + 1 < len(ids) <= long + 1]
            np.savez(work / f"{name}.{long}.npz", **pack(middle, tokenizer, long))
            small = [ids for ids in chats if len(ids) <= short + 1]
            np.savez(work / f"{name}.{short}.npz", **pack(small, tokenizer, short))
    return tokenizer


@dataclass
class TextRows:
    """Draws rows from the pretraining texts; every token counts."""

    work: Path
    end_of_text: int

    def __post_init__(self):
        self.tokens = {name: np.load(self.work / f"{name}.npy", mmap_mode="r") for name in PRETRAIN_MIX}

    def draw(self, rng: np.random.Generator, rows: int, length: int) -> dict[str, np.ndarray]:
        names = rng.choice(list(PRETRAIN_MIX), size=rows, p=shares(PRETRAIN_MIX))
        starts = [rng.integers(len(self.tokens[name]) - length - 1) for name in names]
        ids = np.stack([self.tokens[name][s : s + length + 1] for name, s in zip(names, starts)])
        document = np.cumsum(ids == self.end_of_text, axis=1) - (ids == self.end_of_text)
        return {"ids": ids, "document": document, "learn": np.ones_like(ids, dtype=bool)}


@dataclass
class ChatRows:
    """Draws rows of conversations; only the assistant's tokens count."""

    work: Path
    lengths: tuple[int, int]

    def __post_init__(self):
        short, long = self.lengths
        wanted = [(name, short) for name in CHAT_MIX] + [(name, long) for name in LONG_CHAT_MIX]
        self.rows = {key: dict(np.load(self.work / "{}.{}.npz".format(*key))) for key in wanted}

    def draw(self, rng: np.random.Generator, rows: int, length: int) -> dict[str, np.ndarray]:
        mix = CHAT_MIX if length == self.lengths[0] else LONG_CHAT_MIX
        names = rng.choice(list(mix), size=rows, p=shares(mix))
        picks = [(self.rows[name, length], rng.integers(len(self.rows[name, length]["ids"]))) for name in names]
        return {key: np.stack([arrays[key][at] for arrays, at in picks]) for key in ("ids", "document", "learn")}


def shares(mix: dict[str, float]) -> np.ndarray:
    weights = np.array(list(mix.values()))
    return weights / weights.sum()

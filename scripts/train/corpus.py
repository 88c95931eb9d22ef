"""Reads the corpus, trains the tokenizer, and turns text and conversations into rows of tokens.

A row is a fixed number of tokens holding one or more documents back to back. Three arrays describe a set of
rows: `ids` [rows, length + 1], `document` [rows, length + 1] (which of the row's documents a token belongs to,
so that attention does not cross them) and `learn` [rows, length + 1] (the tokens that count in the loss).
"""

import io
import json
import random
import re
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
    "pretrain/openstax": 0.15, "pretrain/wiki_contexts": 0.09, "pretrain/stories_asp_pb": 0.05,
    "pretrain/standardebooks": 0.04, "pretrain/wordnet": 0.05, "pretrain/medquad": 0.03, "pretrain/factbook": 0.02,
    "pretrain/techdocs": 0.01, "pretrain/tldr": 0.01, "pretrain/zh_niutrans": 0.03, "pretrain/zh_poetry": 0.01,
    "chat/self_dialogue": 0.17, "chat/persona": 0.05, "chat/define": 0.05, "chat/glossary": 0.05,
    "chat/synth_basic": 0.04, "chat/oasst100": 0.02, "chat/rag_en": 0.07, "chat/rag_zh": 0.03, "chat/synth_docs": 0.03,
}
# Short plain conversation first, then answers from numbered passages, then tools.
CHAT_MIX = {
    "self_dialogue": 0.20, "synth_basic": 0.15, "define": 0.11, "glossary": 0.12, "smalltalk": 0.05, "persona": 0.05,
    "oasst100": 0.05, "synth_glossary": 0.05, "synth_docs": 0.07, "synth_factbook": 0.02, "rag_en": 0.08,
    "rag_multiturn_en": 0.02, "rag_zh": 0.03, "rag_multiturn_zh": 0.01, "tldr_howto": 0.01, "synth_json": 0.01,
    "sgd_plain": 0.01, "sgd_single_call": 0.01, "bfcl": 0.01,
}
# Files that give the rows of full context: passages, which are long.
LONG_CHAT_MIX = {"rag_en": 0.50, "rag_multiturn_en": 0.15, "rag_zh": 0.25, "rag_multiturn_zh": 0.10}


def records(path: Path):
    """Yields the JSON objects of a .jsonl or .jsonl.zst file."""
    with open(path, "rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file) if path.suffix == ".zst" else file
        for line in io.TextIOWrapper(stream, encoding="utf-8"):
            yield json.loads(line)


def without_passages(chats):
    """The definitions of synth_glossary as plain questions and answers: the passages and the citation cut away,
    refusals left out."""
    for chat in chats:
        asked, answer = chat["messages"][-2]["content"], chat["messages"][-1]["content"]
        answer, cited = re.subn(r" \[\d+\]\.$", ".", answer)
        question = re.sub(r"^Question:\s*", "", asked.rsplit("\n\n", 1)[-1])
        if cited:
            yield {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def source(corpus: Path, name: str):
    """Yields the records of a file of the corpus by its name in the mixes, or of one made from another."""
    if name == "chat/glossary":
        return without_passages(records(corpus / "chat/synth_glossary.jsonl.zst"))
    return records(corpus / f"{name}.jsonl.zst")


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


def encode_texts(tokenizer: Tokenizer, documents, seed: int) -> np.ndarray:
    """All texts or conversations of a source in random order, each followed by <|endoftext|>: uint16 [tokens]."""
    render = renderer()
    texts = [record["text"] if "text" in record else render(record) for record in documents]
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


def encode_chats(tokenizer: Tokenizer, chats) -> dict[str, np.ndarray]:
    """The conversations of a source back to back: ids and learn [tokens], and where each one ends [conversations]."""
    render = renderer()
    encoded = tokenizer.encode_batch_fast([render(chat) for chat in chats])
    tokens = [np.array(e.ids, dtype=np.uint16) for e in encoded]
    return {
        "ids": np.concatenate(tokens), "ends": np.cumsum([len(ids) for ids in tokens]),
        "learn": np.concatenate([assistant_tokens(tokenizer, ids) for ids in tokens]),
    }


def prepare(corpus: Path, work: Path, seed: int = 0) -> Tokenizer:
    """Writes tokenizer.json and the token arrays under `work`, once."""
    for directory in ("pretrain", "chat"):
        (work / directory).mkdir(parents=True, exist_ok=True)
    if not (work / "tokenizer.json").exists():
        train_tokenizer(corpus).save(str(work / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
    for name in PRETRAIN_MIX:
        if not (work / f"{name}.npy").exists():
            np.save(work / f"{name}.npy", encode_texts(tokenizer, source(corpus, name), seed))
    for name in CHAT_MIX:
        if not (work / f"chat/{name}.npz").exists():
            np.savez(work / f"chat/{name}.npz", **encode_chats(tokenizer, source(corpus, f"chat/{name}")))
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
class Chats:
    """The conversations of one file that suit rows of some length."""

    ids: np.ndarray
    learn: np.ndarray
    spans: np.ndarray  # [conversations, 2]

    @classmethod
    def load(cls, path: Path, over: int, upto: int) -> "Chats":
        arrays = dict(np.load(path))
        spans = np.stack([np.concatenate([[0], arrays["ends"][:-1]]), arrays["ends"]], axis=1)
        size = spans[:, 1] - spans[:, 0]
        return cls(arrays["ids"], arrays["learn"], spans[(size > over) & (size <= upto)])

    def mean_size(self) -> float:
        return float((self.spans[:, 1] - self.spans[:, 0]).mean())


class ChatRows:
    """Draws rows of whole conversations, of different files side by side; only the assistant's tokens count.

    Conversations that fit the usual length share its rows, longer ones get the long rows, and those beyond that
    are left out.
    """

    TRIES = 24  # draws to fill a row

    def __init__(self, work: Path, lengths: tuple[int, int]):
        short, long = lengths
        self.chats, self.mixes = {}, {short: CHAT_MIX, long: LONG_CHAT_MIX}
        for length, over in ((short, 0), (long, short + 1)):
            for name in self.mixes[length]:
                self.chats[name, length] = Chats.load(work / f"chat/{name}.npz", over, length + 1)

    def draw(self, rng: np.random.Generator, rows: int, length: int) -> dict[str, np.ndarray]:
        mix = self.mixes[length]
        frequency = shares({name: share / self.chats[name, length].mean_size() for name, share in mix.items()})
        drawn = [self.fill(rng, list(mix), frequency, length) for _ in range(rows)]
        return {key: np.stack([row[key] for row in drawn]) for key in drawn[0]}

    def fill(self, rng: np.random.Generator, names: list[str], frequency: np.ndarray, length: int) -> dict:
        """One row: conversations drawn one by one, those that do not fit in what is left skipped."""
        size = length + 1
        row = {"ids": np.zeros(size, np.int64), "document": np.full(size, size), "learn": np.zeros(size, bool)}
        used = 0
        for number, name in enumerate(rng.choice(names, size=self.TRIES, p=frequency)):
            chats = self.chats[name, length]
            start, end = chats.spans[rng.integers(len(chats.spans))]
            if used + end - start <= size:
                at = slice(used, used + end - start)
                row["ids"][at], row["learn"][at] = chats.ids[start:end], chats.learn[start:end]
                row["document"][at] = number
                used += end - start
        return row


def shares(mix: dict[str, float]) -> np.ndarray:
    weights = np.array(list(mix.values()))
    return weights / weights.sum()

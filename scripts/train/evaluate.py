"""Measures a Hugging Face directory: bits per byte on dev/, and ten fixed questions with their answers."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from .corpus import assistant_tokens, records, renderer

PER_FILE = 24  # conversations taken from the start of each file
ANSWER_TOKENS = 60

PASSAGES = (
    "You are a helpful assistant. Answer the question using only the numbered passages below, and cite the passage "
    "you used like [1]. If the passages do not contain the answer, say that you could not find it.\n\nContext:\n"
    "[1] The harbour office in Lorne opens at 8:30 and closes at 17:00. Boats longer than 12 metres need a permit.\n"
    "[2] The Lorne lighthouse was built in 1891 by Mary Whitfield. It is 34 metres tall."
)
QUESTIONS = [
    [{"role": "user", "content": "Hello! How are you today?"}],
    [{"role": "user", "content": "What is your name, and what can you do?"}],
    [{"role": "user", "content": "What is the capital of France?"}],
    [{"role": "user", "content": "What does the word \"generous\" mean?"}],
    [{"role": "user", "content": "What is photosynthesis?"}],
    [{"role": "user", "content": "Do you like music? What is your favorite band?"}],
    [{"role": "user", "content": "Can you recommend a good movie?"}],
    [{"role": "user", "content": "Why do people need sleep?"}],
    [{"role": "system", "content": PASSAGES}, {"role": "user", "content": "Who built the Lorne lighthouse?"}],
    [{"role": "user", "content": "你好，你是谁？"}],
]
SETTINGS = {
    "greedy": {"do_sample": False, "temperature": None, "top_p": None},
    "temperature 0.7, top-p 0.9, seed 0": {"do_sample": True},
}


@dataclass
class Tally:
    """Bits and bytes of the whole rendered text and of what the assistant says."""

    bits: float = 0.0
    size: int = 0
    assistant_bits: float = 0.0
    assistant_size: int = 0
    conversations: int = 0

    def add(self, other: "Tally") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def row(self, name: str) -> str:
        whole, assistant = self.bits / self.size, self.assistant_bits / self.assistant_size
        return f"| {name} | {self.conversations} | {assistant:.3f} | {whole:.3f} |"


@torch.inference_mode()
def measure(model, tokenizer, text: str) -> Tally:
    """Scores one rendered conversation: the cost in bits of each token but the first."""
    ids = torch.tensor([tokenizer(text, add_special_tokens=False).input_ids])
    if ids.shape[1] > model.config.max_position_embeddings:
        return Tally()
    logits = model(ids).logits[0, :-1].float()
    bits = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none").numpy() / math.log(2)
    said = assistant_tokens(tokenizer.backend_tokenizer, ids[0].numpy())
    words = tokenizer.decode(ids[0].numpy()[said], skip_special_tokens=True)
    return Tally(float(bits.sum()), len(text.encode()), float(bits[said[1:]].sum()), len(words.encode()), 1)


def bits_per_byte(model, tokenizer, corpus: Path) -> None:
    """Prints a table over the files of dev/. Markup counts as text of the whole, <|im_end|> as the assistant's."""
    render = renderer()
    total = Tally()
    print(f"Bits per byte, first {PER_FILE} conversations of each file of dev/, those beyond the context left out:\n")
    print("| file | conversations | assistant text | whole text |\n|---|---|---|---|")
    for path in sorted(corpus.glob("dev/*.jsonl")):
        tally = Tally()
        for record in islice(records(path), PER_FILE):
            tally.add(measure(model, tokenizer, render(record)))
        if tally.conversations:
            print(tally.row(path.stem), flush=True)
            total.add(tally)
    print(total.row("**all**"))


def answers(model, tokenizer) -> None:
    """Prints each question with one answer per setting, as they come."""
    for name, setting in SETTINGS.items():
        print(f"\nAnswers ({name}, at most {ANSWER_TOKENS} tokens):\n")
        for messages in QUESTIONS:
            torch.manual_seed(0)
            prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
            ids = torch.tensor([tokenizer(prompt, add_special_tokens=False).input_ids])
            output = model.generate(ids, max_new_tokens=ANSWER_TOKENS, **setting)[0, ids.shape[1] :]
            asked = messages[-1]["content"] + (" *(with two passages)*" if len(messages) > 1 else "")
            answer = tokenizer.decode(output, skip_special_tokens=True).replace("\n", " / ")
            print(f"- **{asked}** {answer}", flush=True)


def report(directory: Path, corpus: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters\n")
    answers(model, tokenizer)
    print()
    bits_per_byte(model, tokenizer, corpus)

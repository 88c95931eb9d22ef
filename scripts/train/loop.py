"""The training loop: one warm-up, constant, decay schedule over two stages of given token counts."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .corpus import ChatRows, TextRows
from .model import Llama

WARM_UP_STEPS = 100
DECAY = 0.35  # share of the chat stage over which the learning rate falls to zero
LONG_SHARE = 0.03  # share of the chat stage's steps that take rows of full context


@dataclass
class Plan:
    """What a run does. Tokens are counted over all resumed runs together, those that do not count in the loss too."""

    pretrain_tokens: int
    chat_tokens: int
    tokens_per_step: int
    learning_rate: float
    lengths: tuple[int, int]  # of the rows: usual, and long enough for passages
    checkpoint_minutes: float = 3.0
    seed: int = 0


@dataclass
class Progress:
    step: int = 0
    pretrain_tokens: int = 0
    chat_tokens: int = 0
    losses: list[float] = field(default_factory=list)


def optimizers(model: Llama, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""
    matrices = [p for p in model.model["layers"].parameters() if p.dim() == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=learning_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def rate(plan: Plan, progress: Progress) -> float:
    """The factor on the learning rate: up over the first steps, level, and down at the end of the chat stage."""
    left = 1 - progress.chat_tokens / plan.chat_tokens
    return min(1.0, (progress.step + 1) / WARM_UP_STEPS, max(0.0, left / DECAY))


class Trainer:
    """Owns the model, its optimizers and the checkpoint file."""

    def __init__(self, model: Llama, plan: Plan, work: Path, end_of_text: int, compile: bool):
        self.model, self.plan, self.path = model, plan, work / "checkpoint.pt"
        self.optimizers = optimizers(model, plan.learning_rate)
        if compile:
            for layer in model.model["layers"]:
                layer.compile(dynamic=False)
        self.texts, self.chats = TextRows(work, end_of_text), ChatRows(work, plan.lengths)
        self.progress = Progress()
        if self.path.exists():
            self.restore()

    def restore(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])

    def save(self) -> None:
        """Writes aside and renames, so that a stop at any moment leaves a whole file."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": vars(self.progress),
        }
        aside = self.path.with_suffix(".new")
        torch.save(state, aside)
        os.replace(aside, self.path)

    def batch(self, chatting: bool) -> list[torch.Tensor]:
        """The rows of this step, a function of the seed and the step number: ids, document, learn."""
        rng = np.random.default_rng([self.plan.seed, self.progress.step])
        long = chatting and rng.random() < LONG_SHARE
        length = self.plan.lengths[int(long)]
        source = self.chats if chatting else self.texts
        rows = source.draw(rng, self.plan.tokens_per_step // length, length)
        device = next(self.model.parameters()).device
        types = {"ids": np.int64, "document": np.int64, "learn": bool}
        return [torch.from_numpy(rows[key].astype(kind)).to(device) for key, kind in types.items()]

    def step(self, chatting: bool) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.plan.learning_rate * rate(self.plan, self.progress)
        rows = self.batch(chatting)
        usual = rows[0].shape[1] == self.plan.lengths[0] + 1
        with torch.compiler.set_stance("default" if usual else "force_eager"):  # one shape is worth compiling
            loss = self.model.loss(*rows)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return loss.item()

    def run(self) -> None:
        """Trains until the plan's tokens are spent, logging and saving on the way."""
        progress, plan = self.progress, self.plan
        saved = time.monotonic()
        while progress.chat_tokens < plan.chat_tokens:
            chatting = progress.pretrain_tokens >= plan.pretrain_tokens
            began = time.monotonic()
            progress.losses = (progress.losses + [self.step(chatting)])[-20:]
            seconds = time.monotonic() - began
            stage = "chat" if chatting else "pretrain"
            setattr(progress, f"{stage}_tokens", getattr(progress, f"{stage}_tokens") + plan.tokens_per_step)
            progress.step += 1
            if progress.step % 20 == 0:
                self.log(stage, seconds)
            if time.monotonic() - saved > 60 * plan.checkpoint_minutes:
                self.save()
                saved = time.monotonic()
        self.save()

    def log(self, stage: str, seconds: float) -> None:
        progress = self.progress
        print(
            f"{stage} step {progress.step} loss {np.mean(progress.losses):.3f}"
            f" rate {rate(self.plan, progress):.2f} {self.plan.tokens_per_step / seconds:.0f} tokens/s"
            f" tokens {progress.pretrain_tokens / 1e6:.1f}M + {progress.chat_tokens / 1e6:.1f}M",
            flush=True,
        )

"""The Llama architecture with the parameter names of transformers' LlamaForCausalLM, so that a state dict of
one loads into the other."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Shape:
    """The sizes of a model. Widths are multiples of 64, for quantisation in groups."""

    layers: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    context: int = 1024
    vocabulary: int = 8192
    theta: float = 10_000.0

    @property
    def head_width(self) -> int:
        return self.width // self.heads


class RMSNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., width]"""
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + 1e-5)
        return (y * self.weight).to(x.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position: turns each pair (i, i + half) by its angle. x [batch, heads, time, head width]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_width
        self.q_proj = nn.Linear(shape.width, shape.width, bias=False)
        self.k_proj = nn.Linear(shape.width, kv_width, bias=False)
        self.v_proj = nn.Linear(shape.width, kv_width, bias=False)
        self.o_proj = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, blocked: Tensor) -> Tensor:
        """x [batch, time, width], cos and sin [time, head width / 2], blocked [batch, 1, time, time].

        Scores are computed in full: at these lengths that is quicker on a CPU than the fused kernel's backward,
        and it takes the document mask as it comes.
        """
        batch, time, width = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(batch, time, -1, self.shape.head_width).transpose(1, 2)

        q, k, v = rotate(heads(self.q_proj(x)), cos, sin), rotate(heads(self.k_proj(x)), cos, sin), heads(self.v_proj(x))
        shared = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        scores = (q @ k.transpose(-1, -2)) * self.shape.head_width**-0.5
        weights = torch.softmax(scores.masked_fill(blocked, -1e9).float(), dim=-1).to(v.dtype)
        return self.o_proj((weights @ v).transpose(1, 2).reshape(batch, time, width))


class MLP(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.gate_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up_proj = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down_proj = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> [..., width]"""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.input_layernorm = RMSNorm(shape.width)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RMSNorm(shape.width)
        self.mlp = MLP(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, blocked: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, blocked)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """`model.` holds everything, as in transformers; the output head is the embedding matrix."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(shape.vocabulary, shape.width),
            "layers": nn.ModuleList(Layer(shape) for _ in range(shape.layers)),
            "norm": RMSNorm(shape.width),
        })
        frequency = shape.theta ** -(torch.arange(0, shape.head_width, 2) / shape.head_width)
        angle = torch.outer(torch.arange(shape.context).float(), frequency)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)
        self.initialise()

    def initialise(self) -> None:
        """Normal weights; those that write to the residual stream are smaller the more layers there are."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(parameter, std=0.02 / (2 * self.shape.layers) ** 0.5 if last else 0.02)

    def forward(self, ids: Tensor, document: Tensor) -> Tensor:
        """ids and document [batch, time] -> logits [batch, time, vocabulary].

        The residual stream is bfloat16, which is what the matrix units of CPUs and GPUs want.
        """
        time = ids.shape[1]
        later = torch.ones(time, time, dtype=torch.bool, device=ids.device).triu(1)
        blocked = (later | (document[:, :, None] != document[:, None, :]))[:, None]
        x = self.model["embed_tokens"](ids).to(torch.bfloat16)
        for layer in self.model["layers"]:
            x = layer(x, self.cos[:time], self.sin[:time], blocked)
        return F.linear(self.model["norm"](x), self.model["embed_tokens"].weight)

    def loss(self, ids: Tensor, document: Tensor, learn: Tensor) -> Tensor:
        """Mean cross-entropy of the next token where `learn` is set. All [batch, time + 1]."""
        device = ids.device.type
        with torch.autocast(device, torch.bfloat16):
            logits = self(ids[:, :-1], document[:, :-1])
        wanted = learn[:, 1:] & (document[:, 1:] == document[:, :-1])
        target = torch.where(wanted, ids[:, 1:], -100)
        return F.cross_entropy(logits.float().flatten(0, 1), target.flatten(), ignore_index=-100)

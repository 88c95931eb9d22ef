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

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """x [batch, time, width], cos and sin [time, head width / 2], mask [batch, 1, time, time] to be added.

        Scores are computed in full: at these lengths that is quicker on a CPU than the fused kernel's backward,
        and it takes the document mask as it comes.
        """
        batch, time, width = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(batch, time, -1, self.shape.head_width).transpose(1, 2)

        q = rotate(heads(self.q_proj(x)), cos, sin)
        k, v = rotate(heads(self.k_proj(x)), cos, sin), heads(self.v_proj(x))
        shared = self.shape.heads // self.shape.kv_heads
        k, v = k.repeat_interleave(shared, dim=1), v.repeat_interleave(shared, dim=1)
        scores = (q @ k.transpose(-1, -2)) * self.shape.head_width**-0.5
        weights = torch.softmax(scores + mask, dim=-1)
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

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
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
        """ids and document [batch, time] -> final states [batch, time, width].

        The residual stream is bfloat16, which is what the matrix units of CPUs and GPUs want.
        """
        time = ids.shape[1]
        later = torch.ones(time, time, dtype=torch.bool, device=ids.device).triu(1)
        blocked = (later | (document[:, :, None] != document[:, None, :]))[:, None]
        mask = torch.zeros(blocked.shape, dtype=torch.bfloat16, device=ids.device).masked_fill_(blocked, -1e9)
        x = self.model["embed_tokens"](ids).to(torch.bfloat16)
        with torch.autocast(ids.device.type, torch.bfloat16):
            for layer in self.model["layers"]:
                x = layer(x, self.cos[:time], self.sin[:time], mask)
        return self.model["norm"](x)

    def loss(self, ids: Tensor, document: Tensor, learn: Tensor) -> Tensor:
        """Mean cross-entropy of the next token where `learn` is set. All [batch, time + 1]."""
        states = self(ids[:, :-1], document[:, :-1])
        wanted = learn[:, 1:] & (document[:, 1:] == document[:, :-1])
        return HeadLoss.apply(states[wanted], self.model["embed_tokens"].weight, ids[:, 1:][wanted])


class HeadLoss(torch.autograd.Function):
    """Output head and cross-entropy in one, a block of tokens at a time, with the gradient found on the way.

    The logits are by far the largest array of a small model; this way they never leave the cache.
    """

    BLOCK = 1024

    @staticmethod
    def forward(ctx, states: Tensor, head: Tensor, target: Tensor) -> Tensor:
        """states [tokens, width] bfloat16, head [vocabulary, width], target [tokens] -> mean loss."""
        weight = head.to(states.dtype)
        d_states, d_head = torch.empty_like(states), torch.zeros_like(head)
        total = torch.zeros((), device=states.device)
        blocks = zip(states.split(HeadLoss.BLOCK), d_states.split(HeadLoss.BLOCK), target.split(HeadLoss.BLOCK))
        for x, d_x, t in blocks:
            p = torch.softmax(x @ weight.T, dim=-1, dtype=torch.float32)
            at = t[:, None]
            chosen = p.gather(1, at)
            total -= chosen.clamp_min(1e-9).log().sum()
            d_logits = p.scatter_(1, at, chosen - 1).to(x.dtype)
            d_x.copy_(d_logits @ weight)
            d_head += d_logits.T @ x
        ctx.save_for_backward(d_states, d_head)
        ctx.count = len(target)
        return total / ctx.count

    @staticmethod
    def backward(ctx, d_loss: Tensor):
        d_states, d_head = ctx.saved_tensors
        scale = d_loss / ctx.count
        return (d_states * scale).to(d_states.dtype), d_head * scale, None

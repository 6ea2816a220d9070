"""LlamaForCausalLM's computation over prompts that share their beginning.

The weights are those of a plain Hugging Face model and the probabilities are those of its ordinary forward pass
(tested). What differs is the order of work: a persona's part of the prompt is computed once, and any number of
continuations of one length are then computed beside one another, each seeing the persona and itself only.

Shapes: P prefixes of up to L tokens, S continuations each of U tokens, H heads of D numbers, width C, V tokens.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import LlamaDecoderLayer


@dataclass(frozen=True)
class Prefix:
    """Keys and values of P computed prefixes, padded on the right."""

    keys: Tensor  # [layers, P, H, L, D]
    values: Tensor  # [layers, P, H, L, D]
    lengths: Tensor  # [P] int64


class Network:
    """A Llama model's forward pass in two parts. `table` [V, C] stands in for the model's tied embeddings."""

    def __init__(self, model: LlamaForCausalLM, table: Tensor | None = None) -> None:
        self.layers = [layer for layer in model.model.layers if isinstance(layer, LlamaDecoderLayer)]
        self.norm = model.model.norm
        self.table = model.model.embed_tokens.weight if table is None else table
        self.heads = int(model.config.num_attention_heads)
        self.size = int(model.config.hidden_size) // self.heads  # D
        theta = rope_theta(model.config)
        self.frequencies = theta ** (-torch.arange(0, self.size, 2, dtype=torch.float32) / self.size)  # [D / 2]

    def prefix(self, tokens: Tensor, lengths: Tensor) -> Prefix:
        """Compute prefixes [P, L], padded on the right; `lengths` [P] counts the real tokens."""
        turn = self._turn(torch.arange(tokens.shape[1]))
        x = F.embedding(tokens, self.table)  # [P, L, C]
        keys, values = list[Tensor](), list[Tensor]()
        for i, layer in enumerate(self.layers):
            h = layer.input_layernorm(x)
            k, v = _rotate(self._heads(layer.self_attn.k_proj(h)), turn), self._heads(layer.self_attn.v_proj(h))
            keys.append(k)
            values.append(v)
            if i + 1 < len(self.layers):  # nobody asks for the last layer's output here
                q = _rotate(self._heads(layer.self_attn.q_proj(h)), turn)
                seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # [P, H, L, D]
                x = _after(layer, x, seen.transpose(1, 2).flatten(2))
        return Prefix(torch.stack(keys), torch.stack(values), lengths)

    def follow(self, prefix: Prefix, tokens: Tensor, asked: int = 1) -> Tensor:
        """Logits [P, S, asked, V] of the token after each of the last `asked` places of continuations [P, S, U]."""
        width = tokens.shape[-1]
        places = prefix.lengths[:, None] + torch.arange(width)  # [P, U]
        turn = self._turn(places[:, None, None])  # [P, 1, 1, U, D]
        hidden = torch.arange(prefix.keys.shape[3]) >= prefix.lengths[:, None]  # [P, L]
        x = F.embedding(tokens, self.table)  # [P, S, U, C]
        for i, layer in enumerate(self.layers):
            h = layer.input_layernorm(x)
            k, v = _rotate(self._heads(layer.self_attn.k_proj(h)), turn), self._heads(layer.self_attn.v_proj(h))
            rows = width
            if i + 1 == len(self.layers):  # only the places that are asked about
                rows, x, h = asked, x[:, :, -asked:], h[:, :, -asked:]
                turn = (turn[0][..., -asked:, :], turn[1][..., -asked:, :])
            q = _rotate(self._heads(layer.self_attn.q_proj(h)), turn)  # [P, S, H, rows, D]
            seen = _attend(q, k, v, prefix.keys[i], prefix.values[i], hidden, width - rows)
            x = _after(layer, x, seen)
        return self.norm(x) @ self.table.T

    def _heads(self, x: Tensor) -> Tensor:
        """[..., T, C] -> [..., H, T, D]."""
        return x.unflatten(-1, (self.heads, self.size)).transpose(-2, -3)

    def _turn(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the rotary positions, [..., D]."""
        angles = places[..., None].to(torch.float32) * self.frequencies
        both = torch.cat([angles, angles], -1)
        return both.cos(), both.sin()


def rope_theta(config: LlamaConfig) -> float:
    """The base of the rotary positions. ValueError for a scaled variant, which this file does not compute."""
    rope = dict(config.rope_parameters or {})
    if rope.get("rope_type", "default") != "default":
        raise ValueError(f"rotary positions of type {rope['rope_type']!r} are not supported here")
    return float(str(rope.get("rope_theta", 10_000.0)))


def _rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary positions (Su et al. 2021) in the half-split layout of Llama."""
    left, right = x.chunk(2, -1)
    return x * turn[0] + torch.cat([-right, left], -1) * turn[1]


def _attend(q: Tensor, k: Tensor, v: Tensor, old_k: Tensor, old_v: Tensor, hidden: Tensor, first: int) -> Tensor:
    """Attention of q [P, S, H, R, D] to the prefix's keys [P, H, L, D] and, causally, to its own k [P, S, H, U, D].

    hidden [P, L] marks padding; row r of q stands at place first + r. Returns [P, S, R, C].
    """
    people, several, heads, rows, size = q.shape
    q = q * (1 / math.sqrt(size))
    folded = q.transpose(1, 2).reshape(people, heads, several * rows, size)
    far = (folded @ old_k.transpose(-1, -2)).masked_fill(hidden[:, None, None], -torch.inf)  # [P, H, S R, L]
    far = far.unflatten(2, (several, rows)).transpose(1, 2)  # [P, S, H, R, L]
    later = torch.arange(k.shape[-2]) > first + torch.arange(rows)[:, None]  # [R, U]
    near = (q @ k.transpose(-1, -2)).masked_fill(later, -torch.inf)  # [P, S, H, R, U]
    weight = torch.cat([far, near], -1).softmax(-1)
    on_far, on_near = weight.split([far.shape[-1], near.shape[-1]], -1)
    folded = on_far.transpose(1, 2).reshape(people, heads, several * rows, -1) @ old_v  # [P, H, S R, D]
    seen = folded.unflatten(2, (several, rows)).transpose(1, 2) + on_near @ v  # [P, S, H, R, D]
    return seen.transpose(2, 3).flatten(3)


def _after(layer: LlamaDecoderLayer, x: Tensor, seen: Tensor) -> Tensor:
    """The rest of a layer, once attention has been paid."""
    x = x + layer.self_attn.o_proj(seen)
    return x + layer.mlp(layer.post_attention_layernorm(x))

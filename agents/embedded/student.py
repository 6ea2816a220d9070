"""The embedded model while it is being trained: a Llama whose number embeddings share what they learn.

The embedding of a whole number n is a free row plus features(n) @ weights, with features that are linear,
logarithmic and periodic in n: 41 is born near 40 and learns with it. Once trained the sum is written into the
ordinary embedding table, so that nothing of this is left in the model that ships.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from agents.embedded.network import Network
from agents.embedded.tokenizer import CONTEXT, NUMBERS, token_ids

PERIODS = (5, 10, 20, 40, 80, 160, 320, 1000)


def number_features() -> Tensor:
    """[NUMBERS, 20] of 0 .. NUMBERS - 1."""
    n = torch.arange(NUMBERS, dtype=torch.float32)
    waves = [f(2 * math.pi * n / period) for period in PERIODS for f in (torch.sin, torch.cos)]
    return torch.stack([n / 100 - 1, (n / 100 - 1).clamp(max=1.0), (1 + n / 20).log() - 1, n / 1000, *waves], 1)


class Student(nn.Module):
    """A model in training; `generator` makes its start reproducible."""

    def __init__(self, config: LlamaConfig, tokenizer: PreTrainedTokenizerFast, generator: torch.Generator) -> None:
        super().__init__()
        self.model = LlamaForCausalLM(config)
        self.first = token_ids(tokenizer, ["0"])[0]  # numbers follow one another in the vocabulary
        self.features = number_features()
        self.mixing = nn.Parameter(torch.empty(self.features.shape[1], config.hidden_size))
        self._begin(generator)

    def _begin(self, generator: torch.Generator) -> None:
        for name, p in self.named_parameters():
            if p.dim() == 2:
                spread = 0.03 if "embed" in name else 0.01 if name == "mixing" else 1 / math.sqrt(p.shape[1])
                scale = 0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                nn.init.normal_(p, 0.0, spread * scale, generator=generator)

    @torch.no_grad()
    def take_over(self, model: LlamaForCausalLM, its_words: Mapping[str, int], words: Mapping[str, int]) -> None:
        """Begin from a finished model of the same size: its layers, and its embeddings of the words that both know."""
        known, table = dict(model.named_parameters()), self.model.model.embed_tokens.weight
        for name, p in self.model.named_parameters():
            if p is not table:
                p.copy_(known[name])
        for word in words.keys() & its_words.keys():
            table[words[word]] = model.model.embed_tokens.weight[its_words[word]]
        self.mixing.zero_()  # what numbers share is in their embeddings by now

    def table(self) -> Tensor:
        """The embedding table as it stands, [V, C]."""
        table = self.model.model.embed_tokens.weight
        end = self.first + NUMBERS
        shared = self.features @ self.mixing
        return torch.cat([table[: self.first], table[self.first : end] + shared, table[end:]])

    def network(self) -> Network:
        return Network(self.model, self.table())

    def finished(self) -> LlamaForCausalLM:
        """An ordinary model with the same answers."""
        plain = LlamaForCausalLM(self.model.config)
        plain.load_state_dict(self.model.state_dict())
        with torch.no_grad():
            plain.model.embed_tokens.weight.copy_(self.table())
        plain.tie_weights()
        return plain.eval()


def model_config(vocabulary: int, pad: int, start: int, end: int) -> LlamaConfig:
    """About a million weights: width 128, 4 layers, 4 heads."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        intermediate_size=344,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        pad_token_id=pad,
        bos_token_id=start,
        eos_token_id=end,
        dtype="float32",
    )
